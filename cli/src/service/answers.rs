//! Files of answers, and `assay service answer`.

use std::path::PathBuf;

use alloy::primitives::{B256, U256};
use anyhow::{Context, Result, bail};
use assay_client::service_bond::{Answer, Answers};
use assay_prover::{
    arithmetic::field::{Fr, field_to_bytes},
    bundle::Bundle,
    circuit::{Layout, StatementCode, StatementKind},
    collection::Collection,
    files::atomic_file::Readers,
    openings::Marks,
    prediction::{self, OutputWord, shows_answer},
};
use assay_relayer::proving::InputOpening;
use clap::{ArgGroup, Args};
use serde::Serialize;

use crate::{
    answer::number_text,
    model::describe,
    new_file::NewFile,
    output::{Output, table},
    run_proofs::Reference,
};

#[derive(Args)]
#[command(
    group = ArgGroup::new("what").required(true).args(["openings", "set"]),
    after_help = "Example:
  assay service answer openings/0a...json openings/7c...json --bundle lenet.bundle -o answers.json
  assay service answer --set images.set --bundle classes.bundle -o answers.json
                                       with a bundle of `assay model derive --statement classification`:
                                       the answers are proven by runs"
)]
pub(crate) struct AnswerArgs {
    /// Openings of the inputs, as `assay input commit` wrote them, in the order of the batch
    #[arg(value_name = "FILE")]
    openings: Vec<PathBuf>,
    /// Collection of inputs made by `assay dataset commit`, of a service that answers by runs
    #[arg(long, value_name = "FILE")]
    set: Option<PathBuf>,
    /// Model bundle
    #[arg(long, value_name = "FILE")]
    bundle: PathBuf,
    /// File of answers to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// That a service takes such answers: by inputs, or by runs of this size.
///
/// # Errors
/// If it takes others.
pub(super) fn require_batch(answers: &Answers, batch: U256) -> Result<()> {
    if batch == U256::from(answers.batch) {
        return Ok(());
    }
    let by = |batch: U256| match batch {
        U256::ZERO => "one by one".to_owned(),
        batch => format!("by runs of {batch}"),
    };
    bail!(
        "the service answers inputs {}, these answers are {}",
        by(batch),
        by(U256::from(answers.batch))
    )
}

#[derive(Serialize)]
struct Answered {
    output: PathBuf,
    root: B256,
    items: u64,
    /// Inputs of a run; 0 where each input has an answer of its own.
    batch: u64,
    answers: Vec<Answer>,
    /// Of the model's weights; an answer that is contested takes one.
    openings_left: usize,
}

pub(super) fn answer(args: &AnswerArgs, output: &Output) -> Result<()> {
    let bundle = Bundle::read(&args.bundle)?;
    let layout = bundle.layout()?;
    let (answers, texts) = match &args.set {
        Some(path) => by_runs(&bundle, &layout, &Collection::read(path, &|_| {})?, output)?,
        None => one_by_one(&bundle, &layout, &args.openings, output)?,
    };
    let root = answers.tree().context("a batch has 1 to 65,536 answers")?.root();
    let file =
        NewFile::new(&args.output, None, "an open batch of those answers could not be proven");
    file.write_bytes(Readers::Owner, &answers.to_json()?)?;
    let Answers { list, items, batch } = answers;
    let openings_left = bundle.openings(&args.bundle, &Marks::of_user()?).usage()?.left;
    let output_file = args.output.clone();
    let report = Answered { output: output_file, root, items, batch, answers: list, openings_left };
    output.finish(&report, || {
        table(&[
            ("answers", format!("{} in {}", report.answers.len(), report.output.display())),
            ("outputs", texts.join(" ")),
            ("root", report.root.to_string()),
            ("openings", format!("{} left; each contested answer takes one", report.openings_left)),
        ])
    })
}

fn one_by_one(
    bundle: &Bundle,
    layout: &Layout,
    openings: &[PathBuf],
    output: &Output,
) -> Result<(Answers, Vec<String>)> {
    let statement = layout.options.statement;
    if !shows_answer(statement) {
        let advice = match statement {
            StatementKind::Classification { .. } => "give the collection with --set",
            _ => "answers are what a model says of committed inputs, and shows",
        };
        bail!("the bundle proves {}; {advice}", describe(statement));
    }
    let code = StatementCode::of(statement, &bundle.graph);
    let bar = output.bar(openings.len() as u64, "answering");
    let (mut list, mut texts) = (Vec::new(), Vec::new());
    for path in openings {
        let opening = InputOpening::read(path)?;
        opening.check_numbers(&bundle.graph)?;
        let words = prediction::reference(bundle, layout, &opening.input)
            .with_context(|| format!("{} is no input of this model", path.display()))?;
        let outputs = words_of(&words);
        texts.push(text_of(code, &outputs, bundle.output_step()));
        list.push(Answer { commitment: opening.commitment()?, outputs });
        bar.step("answering");
    }
    Ok((Answers { items: list.len() as u64, list, batch: 0 }, texts))
}

fn by_runs(
    bundle: &Bundle,
    layout: &Layout,
    set: &Collection,
    output: &Output,
) -> Result<(Answers, Vec<String>)> {
    let statement = layout.options.statement;
    let StatementKind::Classification { run, .. } = statement else {
        bail!(
            "the bundle proves {}; answers by runs take a bundle of `assay model derive --statement \
             classification`",
            describe(statement)
        );
    };
    let commitment = B256::from(field_to_bytes(&set.root()));
    let answers = Reference::new(bundle, layout, set)?.answers(output)?;
    let list: Vec<Answer> =
        answers.iter().map(|words| Answer { commitment, outputs: words_of(words) }).collect();
    let texts =
        list.iter().flat_map(|answer| answer.outputs.iter().map(|word| format!("{word:#x}")));
    let texts = texts.collect();
    Ok((Answers { list, items: set.len() as u64, batch: run.items() as u64 }, texts))
}

fn words_of(words: &[Fr]) -> Vec<U256> {
    words.iter().map(|word| U256::from_be_bytes(field_to_bytes(word))).collect()
}

fn text_of(code: StatementCode, outputs: &[U256], step: Option<f64>) -> String {
    let word = match outputs {
        [word] => u64::try_from(*word).ok().and_then(|word| OutputWord::read(code, word)),
        _ => None,
    };
    match word {
        Some(OutputWord::Number(number)) => {
            number_text(number, step.map(|step| number as f64 * step))
        }
        Some(OutputWord::Class(class)) => class.to_string(),
        None => outputs.iter().map(U256::to_string).collect::<Vec<_>>().join(","),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_take_answers_of_their_own_kind() {
        let answers = Answers { list: Vec::new(), items: 2, batch: 0 };
        require_batch(&answers, U256::ZERO).unwrap();
        let error = require_batch(&answers, U256::from(4)).unwrap_err().to_string();
        assert!(error.contains("by runs of 4") && error.contains("one by one"), "{error}");
    }
}
