//! Common parts of the command lines of `trainer` and `evaluator`.
//!
//! Only the binaries print, exit and read arguments and environment variables. They do so through this crate, so that
//! both show progress, errors and exit codes in the same way.

mod base_fit;
mod base_model;
mod clock;
mod command_line;
mod energy;
mod environment;
mod estimate;
mod exit;
mod gpu;
mod hub_files;
mod interrupt;
mod output;
mod page_file;
mod printable;
mod progress;
mod recipe;
mod template;
mod text_table;
mod version;

pub use base_fit::BaseFit;
pub use base_model::{BaseModel, ModelFiles};
pub use clock::{now, rfc_3339, seconds_until};
pub use command_line::{
    CompletionsArguments, ManArguments, arguments, completions, man, reference,
};
pub use energy::{EnergyMeter, EnergyUse};
pub use environment::{cache_dir, named_python, python};
pub use exit::{Failure, Interrupted, UserMistake, finish};
pub use gpu::{
    DeviceUse, break_backend, check_backend, guarded, open_device, open_device_unwatched,
    prepare_device,
};
pub use hub_files::{benchmark_data, cached_data_file, data_path, fetch_benchmark, fetch_dataset};
pub use interrupt::{
    PARENT_PIPE, SavedMeanwhile, StopRequest, Unfinished, command_to_continue, saved_meanwhile,
    saved_so_far, shell_word, watch_interrupts,
};
pub use output::{
    document, memory_text, note, number_after, painted_result, peak_memory_bytes, peak_memory_text,
    result,
};
pub use page_file::write_page;
pub use printable::printable;
pub use progress::{Progress, bytes_text, duration_text};
pub use recipe::{load_recipe, load_recipe_without_data, searched};
pub use slm_hub::{
    Fetched, FileRecord, ModelParts, Part, Provenance, TrainingPart, Unclear, part_of,
};
pub use template::{note_other_template, read_template, template_kwargs, template_record};
pub use text_table::{print_list, text_table};
pub use version::version;
