//! What `nvidia-smi` reports about the NVIDIA GPUs of this machine: memory, driver, compute capability.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use super::DeviceChoice;

/// The program of NVIDIA's driver that lists GPUs.
const PROGRAM: &str = "nvidia-smi";
/// Columns of [`NvidiaGpu`], in the order of its parser.
const COLUMNS: &str =
    "index,uuid,name,driver_version,memory.total,memory.free,compute_cap,mig.mode.current";
/// The columns that drivers before 510 know, too.
const OLD_COLUMNS: &str = "index,uuid,name,driver_version,memory.total,memory.free";
const MIB: u64 = 1 << 20;
/// `nvidia-smi` hangs for ever if the driver does.
const LIMIT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(5);

/// Memory of a device in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceMemory {
    /// Memory of the device.
    pub total: u64,
    /// The part that no process holds.
    pub free: u64,
}

/// A GPU as `nvidia-smi` describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NvidiaGpu {
    /// Its place in the order of the PCI bus, which is CUDA's order with `CUDA_DEVICE_ORDER=PCI_BUS_ID`.
    pub index: usize,
    /// Its permanent name, `GPU-...`.
    pub uuid: String,
    /// The product, such as `NVIDIA GeForce RTX 4090`.
    pub name: String,
    /// The driver, such as `550.54.14`.
    pub driver: String,
    /// Its memory; `None` where it shares the CPU's, or where it is divided into MIG instances.
    pub memory: Option<DeviceMemory>,
    /// Compute capability as `(major, minor)`; `None` with a driver that does not report it.
    pub compute_capability: Option<(u32, u32)>,
}

/// Which GPUs CUDA shows to this process, and in which order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct View {
    /// The value of `CUDA_VISIBLE_DEVICES`.
    visible: Option<String>,
    /// Whether CUDA counts GPUs as `nvidia-smi` does.
    by_bus: bool,
}

/// What `nvidia-smi` answers.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// The GPUs, and the columns that this driver knows.
    Listed(Vec<NvidiaGpu>, &'static str),
    /// It is missing, or fails.
    Failed,
    /// It did not end within the limit.
    Late,
}

static VIEW: OnceLock<View> = OnceLock::new();
/// The first answer: only the free memory changes while the program runs.
static FIRST: OnceLock<Answer> = OnceLock::new();

/// Sets which GPUs CUDA shows to this process: `visible` is the value of `CUDA_VISIBLE_DEVICES`, and `order` that of
/// `CUDA_DEVICE_ORDER`.
///
/// The command line calls it once at start; without a call, all GPUs are visible in CUDA's own order.
pub fn set_visible_gpus(visible: Option<String>, order: Option<&str>) {
    let by_bus = order == Some("PCI_BUS_ID");
    // A second call in one process finds the value of the first.
    let _ = VIEW.set(View { visible, by_bus });
}

/// Returns the GPU behind `cuda:index`, with the free memory at the first call.
///
/// `None` if `nvidia-smi` is missing, hangs or reports no such GPU, or if it is unclear which one it is: CUDA counts
/// unlike GPUs by speed unless `CUDA_DEVICE_ORDER=PCI_BUS_ID`, `nvidia-smi` by their place on the bus.
pub fn nvidia_gpu(index: usize) -> Option<NvidiaGpu> {
    first().gpu(index)
}

/// Whether `nvidia-smi` was asked and did not answer within 10 seconds, as with a driver that hangs.
pub fn nvidia_smi_hangs() -> bool {
    FIRST.get() == Some(&Answer::Late)
}

/// Returns total and free memory of a device, or `None` where neither backend nor driver reports it.
///
/// CUDA alone reports it, by `nvidia-smi`. On the CPU the free memory of the machine counts, see the trainer's budget.
pub fn device_memory(choice: &DeviceChoice) -> Option<DeviceMemory> {
    let DeviceChoice::Cuda(index) = choice else {
        return None;
    };
    let is_known = FIRST.get().is_some();
    match first() {
        Answer::Listed(_, columns) if is_known => {
            query(Command::new(PROGRAM), columns, LIMIT).gpu(*index)
        }
        answer => answer.gpu(*index),
    }?
    .memory
}

fn first() -> &'static Answer {
    FIRST.get_or_init(|| ask(|| Command::new(PROGRAM), LIMIT))
}

/// Runs `nvidia-smi`, a second time with fewer columns if it fails.
fn ask(program: impl Fn() -> Command, limit: Duration) -> Answer {
    match query(program(), COLUMNS, limit) {
        Answer::Failed => query(program(), OLD_COLUMNS, limit),
        answer => answer,
    }
}

fn query(mut program: Command, columns: &'static str, limit: Duration) -> Answer {
    let child = program
        .arg(format!("--query-gpu={columns}"))
        .arg("--format=csv,noheader,nounits")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else {
        return Answer::Failed;
    };
    let Some(status) = status_within(&mut child, limit) else {
        // It is not waited for: inside a driver that hangs, it cannot be killed.
        let _ = child.kill();
        return Answer::Late;
    };
    // The pipe's buffer has held all of it: a line per GPU.
    let mut text = Vec::new();
    let read = child.stdout.map(|mut pipe| pipe.read_to_end(&mut text));
    if !status.success() || !matches!(read, Some(Ok(_))) {
        return Answer::Failed;
    }
    Answer::Listed(parse(&String::from_utf8_lossy(&text)), columns)
}

/// Waits for the end of a process; `None` if it does not end in time.
fn status_within(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().ok()? {
            return Some(status);
        }
        if started.elapsed() >= limit {
            return None;
        }
        thread::sleep(POLL);
    }
}

impl Answer {
    fn gpu(&self, index: usize) -> Option<NvidiaGpu> {
        let Self::Listed(gpus, _) = self else {
            return None;
        };
        VIEW.get_or_init(View::default).gpu(gpus, index).cloned()
    }
}

/// Parses a line per GPU, with [`COLUMNS`] or [`OLD_COLUMNS`] separated by commas and memory in MiB.
fn parse(text: &str) -> Vec<NvidiaGpu> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<NvidiaGpu> {
    let mut columns = line.split(',').map(str::trim);
    let index = columns.next()?.parse().ok()?;
    let [uuid, name, driver] =
        [columns.next()?, columns.next()?, columns.next()?].map(str::to_owned);
    let mut bytes = || Some(columns.next()?.parse::<u64>().ok()? * MIB);
    let (total, free) = (bytes(), bytes());
    let compute_capability = columns.next().and_then(|text| {
        let (major, minor) = text.split_once('.')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    });
    let is_divided = columns.next() == Some("Enabled");
    let memory = total.zip(free).filter(|_| !is_divided);
    Some(NvidiaGpu {
        index,
        uuid,
        name,
        driver,
        memory: memory.map(|(total, free)| DeviceMemory { total, free }),
        compute_capability,
    })
}

impl View {
    fn gpu<'a>(&self, gpus: &'a [NvidiaGpu], index: usize) -> Option<&'a NvidiaGpu> {
        let are_alike = gpus.windows(2).all(|pair| pair[0].name == pair[1].name);
        let is_counted_alike = self.by_bus || are_alike;
        let Some(visible) = &self.visible else {
            let mut gpus = gpus.iter().filter(|_| is_counted_alike);
            return gpus.find(|gpu| gpu.index == index);
        };
        let named = |name: &str| {
            let name = name.trim();
            gpus.iter().find(|gpu| {
                let is_number = is_counted_alike && name.parse() == Ok(gpu.index);
                is_number || name.starts_with("GPU-") && gpu.uuid.starts_with(name)
            })
        };
        // As in CUDA, the list ends at its first entry that names no GPU.
        visible.split(',').map_while(named).nth(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "\
0, GPU-1b2c, NVIDIA GeForce RTX 4090, 550.54.14, 24564, 23028, 8.9, [N/A]
1, GPU-9f00, NVIDIA H200, 550.54.14, 143771, 143160, 9.0, Disabled
";

    #[test]
    fn a_line_of_nvidia_smi_gives_name_driver_and_memory() {
        let gpus = parse(TWO);
        assert_eq!(gpus.len(), 2);
        let NvidiaGpu {
            index,
            uuid,
            name,
            driver,
            memory,
            compute_capability,
        } = &gpus[0];
        assert_eq!(
            (*index, uuid.as_str(), driver.as_str()),
            (0, "GPU-1b2c", "550.54.14")
        );
        assert_eq!(name, "NVIDIA GeForce RTX 4090");
        assert_eq!(*compute_capability, Some((8, 9)));
        let memory = memory.expect("memory");
        assert_eq!((memory.total, memory.free), (24564 << 20, 23028 << 20));
    }

    #[test]
    fn what_a_driver_does_not_report_is_unknown() {
        // Unified memory, a GPU divided into MIG instances, an old driver, and an error instead of a list.
        let unified = parse("0, GPU-1, NVIDIA GB10, 580.1, [N/A], [N/A], 12.1, [N/A]\n");
        assert_eq!(unified[0].memory, None);
        let divided = parse("0, GPU-1, NVIDIA A100, 550.1, 40960, 40000, 8.0, Enabled\n");
        assert_eq!(divided[0].memory, None);
        let old = parse("0, GPU-1, Tesla T4, 470.82.01, 15109, 15000\n");
        assert_eq!(old[0].compute_capability, None);
        assert_eq!(old[0].memory.map(|memory| memory.free), Some(15000 << 20));
        assert_eq!(parse("No devices were found\n"), []);
    }

    #[test]
    fn visible_gpus_are_counted_as_cuda_counts_them() {
        let gpus = parse(TWO);
        let check = |visible: Option<&str>, by_bus, index: usize, expected: Option<&str>| {
            let visible = visible.map(str::to_owned);
            let found = View { visible, by_bus }.gpu(&gpus, index);
            let found = found.map(|gpu| gpu.uuid.as_str());
            assert_eq!(found, expected, "{index}");
        };
        check(None, true, 1, Some("GPU-9f00"));
        check(None, true, 2, None);
        check(None, false, 1, None);
        check(Some("1"), true, 0, Some("GPU-9f00"));
        check(Some("1"), false, 0, None);
        check(Some("1,0"), true, 1, Some("GPU-1b2c"));
        check(Some("GPU-9f"), false, 0, Some("GPU-9f00"));
        check(Some("1,7,0"), true, 1, None);
        check(Some(""), true, 0, None);
        check(Some("MIG-3c"), true, 0, None);
        let one = parse("0, GPU-1, NVIDIA H200, 550.1, 143771, 143160, 9.0, Disabled\n");
        assert!(View::default().gpu(&one, 0).is_some());
    }

    /// Asks a shell script in the place of `nvidia-smi`.
    fn answer_of(text: &str, limit: Duration) -> Answer {
        let folder = tempfile::tempdir().expect("a folder");
        let script = folder.path().join("nvidia-smi");
        std::fs::write(&script, text).expect("written");
        let program = || {
            let mut command = Command::new("sh");
            command.arg(&script);
            command
        };
        ask(program, limit)
    }

    #[test]
    fn an_old_nvidia_smi_is_asked_for_the_columns_that_it_knows() {
        let text = "case $1 in *compute_cap*) exit 2;; esac\n\
                    echo '0, GPU-1, Tesla T4, 470.82.01, 15109, 15000'\n";
        let Answer::Listed(gpus, columns) = answer_of(text, LIMIT) else {
            panic!("no list");
        };
        assert_eq!(columns, OLD_COLUMNS);
        assert_eq!(gpus.len(), 1);
        assert_eq!(gpus[0].driver, "470.82.01");
        let missing = ask(|| Command::new("/nowhere/nvidia-smi"), LIMIT);
        assert_eq!(missing, Answer::Failed);
    }

    #[test]
    fn an_nvidia_smi_that_hangs_is_left_and_lists_no_gpu() {
        let text = "sleep 60\necho '0, GPU-1, Tesla T4, 470.82.01, 15109, 15000'\n";
        let answer = answer_of(text, 20 * POLL);
        assert_eq!(answer, Answer::Late);
        assert_eq!(answer.gpu(0), None);
    }
}
