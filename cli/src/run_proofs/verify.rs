//! `assay audit verify`, `assay retrieve verify` and `assay classify verify`.

use std::{path::PathBuf, time::Instant};

use alloy::primitives::B256;
use anyhow::{Result, bail};
use assay_prover::{
    circuit::{Layout, StatementKind},
    run_proof::RunResult,
};
use clap::Args;
use serde::Serialize;

use super::{
    Common, counted_name,
    item_answers::{ItemAnswer, line},
    places, proof_path, runs_of,
};
use crate::{
    hex_words::{parse_hash, parse_word},
    model::describe,
    output::{Output, table},
    setup_trust::SetupTrust,
    trust::{ProofKey, ProofKeyArgs, TrustReport, requires_audit, requires_retrieval},
};

#[derive(Args)]
pub(crate) struct VerifyRunsArgs {
    /// Folder of proofs
    proofs: PathBuf,
    #[command(flatten)]
    model: ProofKeyArgs,
    /// Items of the collection
    #[arg(long)]
    items: usize,
    /// Root of the collection
    #[arg(long, value_name = "HEX", value_parser = parse_word)]
    root: B256,
    /// The model that the proofs must be for: the hash of its weight commitments [default: the card's]
    #[arg(long, value_name = "HEX", value_parser = parse_hash)]
    model_hash: Option<B256>,
    /// The context that the proofs must have: 64 hexadecimal digits [default: 0]
    #[arg(long, default_value_t = B256::ZERO, hide_default_value = true, value_name = "HEX", value_parser = parse_word)]
    context: B256,
    /// Of an audit: what must count as correct, that the label is among so many best classes
    #[arg(long, value_name = "N", default_value_t = 1)]
    top: usize,
    /// Of a retrieval: the class that must be looked for
    #[arg(long, value_name = "CLASS")]
    class: Option<usize>,
    /// Accept a folder that lacks runs, and say what the others show
    #[arg(long)]
    partial: bool,
}

#[derive(Serialize)]
struct Verified {
    valid: bool,
    /// Whether every item is covered.
    complete: bool,
    statement: &'static str,
    /// The same in words, with the rank or the class.
    proves: String,
    items: usize,
    covered: usize,
    proofs: usize,
    /// Correct, selected, or answered.
    counted: u64,
    /// Of a retrieval: the selected items.
    selected: Vec<usize>,
    /// Of a classification: what the model makes of each item.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    answers: Vec<ItemAnswer>,
    model_hash: B256,
    setup: SetupTrust,
    trust: TrustReport,
    verify_ms: f64,
}

impl VerifyRunsArgs {
    /// That the proofs are of the rank, or of the class, that is asked for.
    fn require_statement(&self, layout: &Layout) -> Result<()> {
        match (layout.options.statement, self.class) {
            (StatementKind::Audit { .. }, _) => requires_audit(layout, self.top),
            (StatementKind::Retrieval { .. }, Some(class)) => requires_retrieval(layout, class),
            _ => Ok(()),
        }
    }

    /// The model that the proofs must be of, by the card or the option; they must not differ.
    fn wanted_model(&self, card: Option<B256>) -> Result<Option<B256>> {
        match (card, self.model_hash) {
            (Some(card), Some(given)) if card != given => {
                bail!("the card is of model {card}, --model-hash asks for {given}")
            }
            (card, given) => Ok(card.or(given)),
        }
    }
}

pub(crate) fn verify(args: &VerifyRunsArgs, wanted: &str, output: &Output) -> Result<()> {
    let ProofKey { architecture, layout, key, model_hash, output: card, report: trust } =
        args.model.open(output)?;
    let statement = layout.options.statement;
    let run = runs_of(statement, wanted, &args.model.source())?;
    args.require_statement(&layout)?;
    let wanted_model = args.wanted_model(model_hash)?;
    if args.items == 0 || args.items as u64 > 1u64 << run.depth {
        bail!("a tree of depth {} holds from 1 to {} items", run.depth, 1u64 << run.depth);
    }
    let all = places(args.items, run.items());
    let bar = output.bar(all.len() as u64, "checking proofs");
    let start = Instant::now();
    let mut report = Verified {
        valid: true,
        complete: false,
        statement: statement.name(),
        proves: describe(statement),
        items: args.items,
        covered: 0,
        proofs: 0,
        counted: 0,
        selected: Vec::new(),
        answers: Vec::new(),
        model_hash: B256::ZERO,
        setup: SetupTrust::of(key.info().setup_id()),
        trust,
        verify_ms: 0.0,
    };
    let mut common =
        Common { key, statement, context: args.context, root: args.root, model: wanted_model };
    let mut missing = Vec::new();
    for place in &all {
        bar.step("checking proofs");
        let path = proof_path(&args.proofs, place.index);
        if !path.exists() {
            missing.push(place.index);
            continue;
        }
        let (weights, result) = common.check(&path, *place)?;
        // All are of the first one's model.
        common.model = Some(weights);
        report.model_hash = weights;
        report.proofs += 1;
        report.covered += place.items;
        report.counted += result.counted();
        if let RunResult::Selected(bitmap) = result {
            let selected = (0..place.items).filter(|item| bitmap >> item & 1 == 1);
            report.selected.extend(selected.map(|item| place.first + item));
        }
        let graph = &architecture.graph;
        report.answers.extend(ItemAnswer::of_run(&result, place.first, graph, card.as_ref()));
    }
    drop(bar);
    report.verify_ms = start.elapsed().as_secs_f64() * 1e3;
    if report.proofs == 0 {
        bail!("{} holds no proof of a run", args.proofs.display());
    }
    report.complete = missing.is_empty();
    if let (Some(first), false) = (missing.first(), args.partial) {
        bail!(
            "{} of {} runs have no proof in {}, the first of them run {first}; the others hold and cover {} \
             of {} items (--partial says what they show)",
            missing.len(),
            all.len(),
            args.proofs.display(),
            report.covered,
            report.items
        );
    }
    output.finish(&report, || report.text(wanted, wanted_model.is_some()))
}

impl Verified {
    fn text(&self, wanted: &str, is_compared: bool) -> String {
        let (condition, proofs) = (self.trust.condition(), self.proofs);
        let mut rows = vec![
            ("valid", format!("yes{condition}; {proofs} proofs in {:.0} ms", self.verify_ms)),
            ("statement", self.proves.clone()),
            ("covered", format!("{} of {} items", self.covered, self.items)),
        ];
        rows.extend(counted_name(wanted).map(|name| (name, self.counted.to_string())));
        if !self.answers.is_empty() {
            rows.push(("answers", line(&self.answers)));
        }
        if !self.selected.is_empty() {
            let items = self.selected.iter().map(usize::to_string);
            rows.push(("items", items.collect::<Vec<_>>().join(" ")));
        }
        let compare = if is_compared { "" } else { "; is it the one you expect?" };
        rows.push(("model", format!("{}{compare}", self.model_hash)));
        rows.extend(self.trust.rows());
        table(&rows)
    }
}
