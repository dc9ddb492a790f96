//! `trainer recipes`: lists and writes the recipes that the program contains.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use slm_cli::{Failure, UserMistake, print_list};
use slm_config::{Recipe, ShippedRecipe};

use crate::recipes_arguments::RecipesArguments;

/// A line of the list.
#[derive(Debug, Serialize)]
struct Listed {
    name: &'static str,
    /// The base model.
    model: String,
    /// Memory and time, where known.
    #[serde(skip_serializing_if = "str::is_empty")]
    needs: &'static str,
    summary: String,
}

/// Lists all recipes, or prints or writes one.
pub(crate) fn run(arguments: &RecipesArguments) -> Result<(), Failure> {
    let Some(name) = &arguments.name else {
        return list(arguments.json);
    };
    let recipe = ShippedRecipe::by_name(name)
        .map_err(|error| Failure::Mistake(UserMistake(error.to_string()).into()))?;
    if let Some(output) = &arguments.output {
        return Ok(write(recipe, output)?);
    }
    print(recipe);
    Ok(())
}

fn list(is_json: bool) -> Result<(), Failure> {
    let listed = ShippedRecipe::all()
        .iter()
        .map(|shipped| {
            let file = file_name(shipped);
            let text = shipped.text_at(&file);
            let recipe = Recipe::parse_without_data(&text, &file, &[], slm_benchmarks::NAMES)
                .with_context(|| format!("the shipped recipe {} cannot be read", shipped.name))?;
            Ok(Listed {
                name: shipped.name,
                model: recipe.model.base_model_name().to_owned(),
                needs: shipped.needs,
                summary: shipped.summary(),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    if is_json {
        return print_list(&listed, true, &[], |_| Vec::new(), "");
    }
    let mut lines = Vec::new();
    for recipe in &listed {
        let needs = match recipe.needs {
            "" => String::new(),
            needs => format!(" ({needs})"),
        };
        lines.push(format!("{}: {}{needs}", recipe.name, recipe.model));
        lines.push(format!("    {}", recipe.summary));
    }
    lines.push("\n`trainer recipes NAME -o NAME.yaml` writes one.".to_owned());
    slm_cli::result(&lines.join("\n"));
    Ok(())
}

fn print(recipe: &ShippedRecipe) {
    let file = file_name(recipe);
    slm_cli::result(recipe.text_at(&file).trim_end());
    let files = recipe.files_at(&file);
    if !files.is_empty() {
        slm_cli::note(&format!(
            "note: this recipe reads {} other files, which `trainer recipes {} -o {}` writes too",
            files.len(),
            recipe.name,
            file.display()
        ));
    }
}

fn write(recipe: &ShippedRecipe, output: &Path) -> Result<()> {
    let refuse = |path: &Path, hint: &str| {
        let text = format!(
            "{} already exists, and `trainer recipes` overwrites nothing\nhint: {hint}",
            path.display()
        );
        Err(UserMistake(text).into())
    };
    if output.symlink_metadata().is_ok() {
        return refuse(output, "-o names another file, or remove this one");
    }
    if output.file_name().is_none() {
        let text = format!(
            "{} is not the name of a file\nhint: -o {}",
            output.display(),
            file_name(recipe).display()
        );
        return Err(UserMistake(text).into());
    }
    let mut files = Vec::new();
    for (path, content) in recipe.files_at(output) {
        match fs::read(&path) {
            Ok(there) if there == content.as_bytes() => {}
            Ok(_) => return refuse(&path, "-o names a file in another folder"),
            Err(_) => files.push((path, content)),
        }
    }
    let text = recipe.text_at(output);
    // The recipe last, so that it never exists without what it reads.
    let all = files
        .iter()
        .map(|(path, content)| (path.as_path(), *content))
        .chain([(output, text.as_str())]);
    for (path, content) in all {
        slm_artifacts::atomic_write(path, content)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let command = text.lines().next().unwrap_or_default();
    let mut lines = vec![format!("recipe       {}", output.display())];
    if !files.is_empty() {
        lines.push(format!("also         {} files beside it", files.len()));
    }
    lines.push(format!("next         {}", command.trim_start_matches("# ")));
    slm_cli::result(&lines.join("\n"));
    Ok(())
}

/// The file of a recipe in the working directory.
fn file_name(recipe: &ShippedRecipe) -> PathBuf {
    PathBuf::from(format!("{}.yaml", recipe.name))
}
