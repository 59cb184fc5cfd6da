//! `assay audit`.

use std::{path::PathBuf, thread::available_parallelism};

use anyhow::{Result, bail};
use assay_prover::{
    audit_plan::{
        Cost, GasPrice, PUBLISHED_CHECKS, PUBLISHED_CHECKS_CONFIDENCE, PUBLISHED_ITEMS,
        PUBLISHED_POPULATION, ProofRate, accuracy_error, accuracy_items, cost, spot_checks,
    },
    bundle::Bundle,
    circuit::{Layout, PlanRequest, Run, StatementKind},
    collection::smallest_depth,
    openings::Marks,
};
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::{
    output::{Output, table},
    run_proofs::{self, ProveRunsArgs, VerifyRunsArgs},
};

/// Items in one proof.
const DEFAULT_BATCH: u64 = 64;

#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// Say how many items an audit needs, and what it costs
    Plan(PlanArgs),
    /// Prove how many items of a committed test set the model classifies correctly, run by run
    #[command(after_help = "Example:
  assay dataset commit test.npz -o test.set
  assay model derive lenet.bundle --statement audit --items 64 --depth 10 -o audit.bundle
  assay keygen audit.bundle --setup dev.srs -o keys
  assay audit prove audit.bundle --set test.set --setup dev.srs --keys keys -o proofs")]
    Prove(ProveRunsArgs),
    /// Check the proofs of an audit and add up what they show
    #[command(after_help = "Example:
  assay audit verify proofs --architecture audit.json --setup ceremony.srs --items 1024 --root 0x...")]
    Verify(VerifyRunsArgs),
}

#[derive(Args)]
#[command(after_help = "Example:
  assay audit plan --eps 0.05 --confidence 0.95
  assay audit plan --eps 0.025 --models 10 --bundle lenet.bundle --batch 64
  assay audit plan --items 1024 --cheat 0.01 --seconds-per-proof 25 --gas-per-proof 600000")]
pub(crate) struct PlanArgs {
    /// How far the measured accuracy may lie above the true one
    #[arg(long, default_value_t = 0.05, value_name = "SHARE")]
    eps: f64,
    /// Items that there are, to learn the error that they allow
    #[arg(long, value_name = "N", conflicts_with = "eps")]
    items: Option<u64>,
    /// Confidence of the accuracy
    #[arg(long, default_value_t = 0.95, value_name = "SHARE")]
    confidence: f64,
    /// Models that are tried on the same items
    #[arg(long, default_value_t = 1, value_name = "M")]
    models: u64,
    /// Also plan the spot checks that find tampering with this share of the predictions of a batch
    #[arg(long, value_name = "SHARE")]
    cheat: Option<f64>,
    /// Confidence with which spot checks find tampering
    #[arg(long, default_value_t = PUBLISHED_CHECKS_CONFIDENCE, value_name = "SHARE", requires = "cheat")]
    cheat_confidence: f64,
    /// Predictions in the batch from which spot checks are drawn without repetition; 0 for a stream
    /// without an end
    #[arg(long, default_value_t = PUBLISHED_POPULATION, value_name = "N", requires = "cheat")]
    population: u64,
    /// Items in one proof of the audit [default: those of an audit's --bundle, else 64]
    #[arg(long, value_name = "N")]
    batch: Option<u64>,
    /// Estimate time and gas for this model: for a bundle of an audit in its own circuit, for others in
    /// the one that `assay model derive` would choose. Seconds are those of a 2-core cloud machine, for as
    /// many cores as this one has; gas is that of the verifications, without the escrow's own
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Seconds that the proof of one batch takes [default: the estimate for --bundle]
    #[arg(long, value_name = "SECONDS")]
    seconds_per_proof: Option<f64>,
    /// Gas that its verification takes [default: the estimate for --bundle]
    #[arg(long, value_name = "GAS")]
    gas_per_proof: Option<f64>,
    /// Machines that prove side by side
    #[arg(long, default_value_t = 1, value_name = "N")]
    machines: u64,
    /// Assumed price of gas, in gwei
    #[arg(long, default_value_t = 1.0, value_name = "GWEI")]
    gas_price: f64,
    /// Assumed price of 1 ether, in the currency in which you reckon
    #[arg(long, default_value_t = 3000.0, value_name = "PRICE")]
    ether_price: f64,
}

pub(crate) fn run(command: AuditCommand, output: &Output) -> Result<()> {
    match command {
        AuditCommand::Plan(args) => plan(&args, output),
        AuditCommand::Prove(args) => run_proofs::prove(&args, "audit", output),
        AuditCommand::Verify(args) => run_proofs::verify(&args, "audit", output),
    }
}

#[derive(Debug, Serialize)]
struct Plan {
    accuracy: Accuracy,
    tampering: Option<Tampering>,
    /// Of one proof of the audit.
    seconds_per_proof: Option<f64>,
    gas_per_proof: Option<f64>,
    /// Where the two come from: `given`, `estimated` or nothing.
    rates_from: Option<&'static str>,
    /// Planned for --bundle.
    circuit: Option<PlannedCircuit>,
    /// Openings of the weights that the bundle's model has left; each proof takes one.
    openings_left: Option<usize>,
    batch: u64,
    machines: u64,
    gas_price_gwei: f64,
    ether_price: f64,
}

#[derive(Debug, Serialize)]
struct Accuracy {
    items: u64,
    /// The bound before it is rounded up; nothing where the items are given.
    bound: Option<f64>,
    /// What the paper gives for the same question.
    published: Option<u64>,
    eps: f64,
    confidence: f64,
    models: u64,
    #[serde(flatten)]
    cost: Cost,
}

#[derive(Debug, Serialize)]
struct Tampering {
    checks: u64,
    published: Option<u64>,
    cheat: f64,
    confidence: f64,
    population: Option<u64>,
    /// Each check is the proof of one prediction.
    #[serde(flatten)]
    cost: Cost,
}

/// The circuit of an audit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct PlannedCircuit {
    k: u32,
    rows: usize,
    lanes: usize,
    depth: u32,
    /// Largest resident set of the process that proves.
    rss_mb: f64,
}

/// Seconds and gas of a proof of one item and of a proof of a batch.
struct Rates {
    single: ProofRate,
    batch: ProofRate,
    from: Option<&'static str>,
    circuit: Option<PlannedCircuit>,
    openings_left: Option<usize>,
}

/// Items of an audit, and the bound they satisfy.
struct Size {
    items: u64,
    bound: Option<f64>,
    eps: f64,
}

fn plan(args: &PlanArgs, output: &Output) -> Result<()> {
    let spinner = output.spinner("planning the circuit");
    let size = size(args)?;
    let report = make_plan(args, &size, &rates(args, size.items)?)?;
    drop(spinner);
    output.finish(&report, || text(&report))
}

fn size(args: &PlanArgs) -> Result<Size> {
    Ok(match args.items {
        Some(items) => {
            let eps = accuracy_error(items, args.confidence, args.models)?;
            Size { items, bound: None, eps }
        }
        None => {
            let size = accuracy_items(args.eps, args.confidence, args.models)?;
            Size { items: size.items, bound: Some(size.exact), eps: args.eps }
        }
    })
}

fn rates(args: &PlanArgs, items: u64) -> Result<Rates> {
    if let Some(batch) = args.batch.filter(|batch| !batch.is_power_of_two()) {
        bail!("--batch {batch} is not a power of two; circuits take such runs only");
    }
    let unknown = ProofRate { batch: 1, seconds: None, gas: None };
    let batch = ProofRate { batch: args.batch.unwrap_or(DEFAULT_BATCH), ..unknown };
    let mut rates =
        Rates { single: unknown, batch, from: None, circuit: None, openings_left: None };
    if let Some(path) = &args.bundle {
        let bundle = Bundle::read(path)?;
        let single = match bundle.options.statement {
            StatementKind::Prediction { .. } => bundle.layout()?,
            _ => bundle.plan_derived(PlanRequest::default())?,
        };
        let audit = audit_layout(&bundle, args.batch, items)?;
        rates.openings_left = Some(bundle.openings(path, &Marks::of_user()?).usage()?.left);
        rates.single = rate(&single);
        rates.batch = rate(&audit);
        rates.from = Some("estimated");
        rates.circuit = Some(PlannedCircuit {
            k: audit.k,
            rows: audit.rows_used(),
            lanes: audit.options.lanes,
            depth: audit.options.statement.run().map_or(0, |run| run.depth),
            rss_mb: audit.estimate().peak_rss_mb,
        });
    }
    if args.seconds_per_proof.is_some() || args.gas_per_proof.is_some() {
        rates.batch.seconds = args.seconds_per_proof.or(rates.batch.seconds);
        rates.batch.gas = args.gas_per_proof.or(rates.batch.gas);
        rates.from = Some(if args.bundle.is_some() { "given and estimated" } else { "given" });
    }
    Ok(rates)
}

/// The circuit of an audit of `items` items: the bundle's own when it is one, else the planner's.
fn audit_layout(bundle: &Bundle, batch: Option<u64>, items: u64) -> Result<Layout> {
    if let StatementKind::Audit { run, .. } = bundle.options.statement
        && batch.is_none_or(|batch| batch == run.items() as u64)
    {
        let held = 1u64 << run.depth;
        if items > held {
            bail!(
                "the bundle's circuit takes trees of depth {}, which hold {held} items, not {items}; derive \
                 one with --depth {}",
                run.depth,
                smallest_depth(usize::try_from(items).unwrap_or(usize::MAX))
            );
        }
        return Ok(bundle.layout()?);
    }
    let batch = batch.unwrap_or(DEFAULT_BATCH);
    let log_items = batch.ilog2();
    let depth = smallest_depth(usize::try_from(items).unwrap_or(usize::MAX)).max(log_items);
    let statement = StatementKind::Audit { run: Run { log_items, depth }, top: 1 };
    Ok(bundle.plan_derived(PlanRequest { statement, ..PlanRequest::default() })?)
}

fn rate(layout: &Layout) -> ProofRate {
    let cores = available_parallelism().map_or(1, |cores| cores.get()) as f64;
    let estimate = layout.estimate();
    ProofRate {
        batch: layout.options.statement.images() as u64,
        seconds: Some(estimate.prove_cpu_s / cores),
        gas: Some(estimate.verify_gas),
    }
}

fn make_plan(args: &PlanArgs, size: &Size, rates: &Rates) -> Result<Plan> {
    let price = GasPrice { gwei: args.gas_price, ether: args.ether_price };
    let Size { items, bound, eps } = *size;
    let as_published = args.items.is_none() && args.models == 1 && args.confidence == 0.95;
    let accuracy = Accuracy {
        items,
        bound,
        published: published(&PUBLISHED_ITEMS, eps).filter(|_| as_published),
        eps,
        confidence: args.confidence,
        models: args.models,
        cost: cost(items, &rates.batch, args.machines, &price)?,
    };
    let tampering = args.cheat.map(|cheat| -> Result<Tampering> {
        let population = Some(args.population).filter(|population| *population > 0);
        let checks = spot_checks(cheat, args.cheat_confidence, population)?;
        let as_published = args.cheat_confidence == PUBLISHED_CHECKS_CONFIDENCE;
        Ok(Tampering {
            checks,
            published: published(&PUBLISHED_CHECKS, cheat).filter(|_| as_published),
            cheat,
            confidence: args.cheat_confidence,
            population,
            cost: cost(checks, &rates.single, args.machines, &price)?,
        })
    });
    Ok(Plan {
        accuracy,
        tampering: tampering.transpose()?,
        seconds_per_proof: rates.batch.seconds,
        gas_per_proof: rates.batch.gas,
        rates_from: rates.from,
        circuit: rates.circuit,
        openings_left: rates.openings_left,
        batch: rates.batch.batch,
        machines: args.machines,
        gas_price_gwei: args.gas_price,
        ether_price: args.ether_price,
    })
}

fn published(table: &[(f64, u64)], share: f64) -> Option<u64> {
    table.iter().find(|(row, _)| *row == share).map(|(_, count)| *count)
}

fn text(plan: &Plan) -> String {
    let Accuracy { items, eps, confidence, models, .. } = plan.accuracy;
    let tried = if models == 1 { String::new() } else { format!(", {models} models tried") };
    let mut rows = vec![(
        "accuracy",
        format!(
            "measured at most {} above the true one, at confidence {}{tried}",
            percent(eps),
            percent(confidence)
        ),
    )];
    let bound = plan.accuracy.bound.map(|bound| format!("bound {bound:.2}"));
    rows.push(("items", counted(items, bound, plan.accuracy.published)));
    rows.extend(cost_rows(&plan.accuracy.cost, &format!("of up to {} items", plan.batch)));
    rows.extend(plan.circuit.map(|circuit| {
        let PlannedCircuit { k, rows, lanes, depth, rss_mb } = circuit;
        let text = format!(
            "{rows} rows of 2^{k}, {lanes} lanes, tree of depth {depth}; {rss_mb:.0} MB to prove"
        );
        ("circuit", text)
    }));
    rows.extend(plan.openings_left.map(|left| {
        let needed = plan.accuracy.cost.proofs;
        let remedy = if needed > left as u64 {
            "; take larger batches, or a bundle with more (--openings of import and derive)"
        } else {
            ""
        };
        ("openings", format!("{needed} of the {left} that the bundle has left{remedy}"))
    }));
    if let Some(tampering) = &plan.tampering {
        let of = tampering.population.map_or_else(
            || "of a stream".to_owned(),
            |population| format!("of {} predictions", grouped(population as f64)),
        );
        rows.push(("", String::new()));
        rows.push((
            "tampering",
            format!(
                "with {} {of}, found with confidence {}",
                percent(tampering.cheat),
                percent(tampering.confidence)
            ),
        ));
        rows.push(("checks", counted(tampering.checks, None, tampering.published)));
        rows.extend(cost_rows(&tampering.cost, "of one prediction each"));
    }
    let mut text = table(&rows);
    match plan.rates_from {
        Some(from) => text.push_str(&format!(
            "time and gas {from}; gas at {} gwei, ether at {}, {} machine(s)\n",
            plan.gas_price_gwei, plan.ether_price, plan.machines
        )),
        None => text.push_str(
            "for time, gas and money give --bundle, or --seconds-per-proof and --gas-per-proof\n",
        ),
    }
    text
}

fn counted(count: u64, bound: Option<String>, published: Option<u64>) -> String {
    let paper = published.map(|published| format!("the paper has {}", grouped(published as f64)));
    let notes: Vec<String> = bound.into_iter().chain(paper).collect();
    let count = grouped(count as f64);
    if notes.is_empty() { count } else { format!("{count} ({})", notes.join("; ")) }
}

fn cost_rows(cost: &Cost, what: &str) -> Vec<(&'static str, String)> {
    let mut rows = vec![("proofs", format!("{} {what}", grouped(cost.proofs as f64)))];
    rows.extend(cost.seconds.map(|seconds| ("time", duration(seconds))));
    rows.extend(cost.gas.map(|gas| ("gas", grouped(gas))));
    rows.extend(
        cost.ether
            .zip(cost.money)
            .map(|(ether, money)| ("money", format!("{money:.2} ({ether:.6} ether)"))),
    );
    rows
}

fn percent(share: f64) -> String {
    let text = format!("{:.3}", share * 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A count with commas between thousands.
pub(crate) fn grouped(count: f64) -> String {
    let digits = format!("{count:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.1} s"),
        s if s < 7_200.0 => format!("{:.1} min", s / 60.0),
        s => format!("{:.1} h", s / 3_600.0),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        plan: PlanArgs,
    }

    fn planned(line: &str) -> Plan {
        let args =
            Line::try_parse_from(["plan"].into_iter().chain(line.split_whitespace())).unwrap().plan;
        let size = size(&args).unwrap();
        make_plan(&args, &size, &rates(&args, size.items).unwrap()).unwrap()
    }

    #[test]
    fn the_papers_questions_get_its_answers() {
        for (eps, items, bound, published) in [
            ("0.05", 600, 599.15, 600),
            ("0.025", 2_397, 2_396.59, 2_396),
            ("0.01", 14_979, 14_978.66, 14_979),
        ] {
            let plan = planned(&format!("--eps {eps} --confidence 0.95"));
            assert_eq!((plan.accuracy.items, plan.accuracy.published), (items, Some(published)));
            assert!(plan.accuracy.bound.is_some_and(|found| (found - bound).abs() < 0.01));
            assert!(text(&plan).contains(&grouped(published as f64)));
        }
        for (cheat, checks) in [("0.05", 72), ("0.02", 183), ("0.01", 366)] {
            let tampering = planned(&format!("--cheat {cheat}")).tampering.unwrap();
            assert_eq!((tampering.checks, tampering.published), (checks, Some(checks)));
        }
        assert_eq!(planned("--models 100").accuracy.published, None);
    }

    #[test]
    fn costs_follow_from_what_is_given() {
        let plan = planned(
            "--items 1024 --batch 64 --seconds-per-proof 25 --gas-per-proof 600000 --gas-price 2",
        );
        assert_eq!((plan.accuracy.items, plan.accuracy.cost.proofs), (1024, 16));
        assert_eq!(plan.accuracy.cost.seconds, Some(400.0));
        assert_eq!(plan.accuracy.cost.gas, Some(9_600_000.0));
        assert!(text(&plan).contains("6.7 min") && text(&plan).contains("9,600,000"));
        let plan = planned("");
        assert_eq!((plan.accuracy.cost.gas, plan.rates_from), (None, None));
        assert!(text(&plan).contains("give --bundle"));
    }

    #[test]
    fn a_models_audit_is_planned_in_a_circuit_for_batches() {
        let folder = tempfile::tempdir().unwrap();
        let lenet = lenet_bundle(folder.path(), PlanRequest::default());
        let plan = planned(&format!("--items 256 --batch 16 --cheat 0.05 --bundle {lenet}"));
        let circuit = plan.circuit.unwrap();
        let one = Bundle::read(lenet.as_ref()).unwrap().layout().unwrap();
        let single = rate(&one).seconds.unwrap();
        assert_eq!((plan.batch, plan.accuracy.cost.proofs, circuit.depth), (16, 16, 8));
        assert!(circuit.k > one.k && circuit.rss_mb > one.estimate().peak_rss_mb);
        // A batch costs more than one item, and less than its items one by one.
        let seconds = plan.seconds_per_proof.unwrap();
        assert!(single < seconds && seconds < 16.0 * single, "{single} {seconds}");
        let checks = plan.tampering.as_ref().unwrap();
        assert_eq!(checks.cost.seconds, Some(single * checks.checks as f64));
        assert!(text(&plan).contains("tree of depth 8"));
        // The bundle of an audit speaks for itself.
        let run = Run { log_items: 2, depth: 9 };
        let statement = StatementKind::Audit { run, top: 1 };
        let request = PlanRequest { statement, lanes: Some(3), ..PlanRequest::default() };
        let audit = lenet_bundle(folder.path(), request);
        let plan = planned(&format!("--items 256 --bundle {audit}"));
        let circuit = plan.circuit.unwrap();
        assert_eq!((plan.batch, circuit.depth, circuit.lanes), (4, 9, 3));
        let refused = |line: &[&str], items| {
            let args = Line::try_parse_from(["plan"].iter().chain(line)).unwrap();
            rates(&args.plan, items).err().expect("refused").to_string()
        };
        assert!(refused(&["--bundle", &lenet, "--batch", "10"], 100).contains("power"));
        assert!(refused(&["--batch", "10"], 100).contains("power"));
        assert!(refused(&["--bundle", &audit], 513).contains("derive one with --depth 10"));
        // Each proof opens the weights.
        let left = Bundle::read(audit.as_ref()).unwrap().budget;
        assert_eq!(plan.openings_left, Some(left));
        assert!(text(&plan).contains(&format!("64 of the {left} that")), "{}", text(&plan));
    }

    /// A bundle of the repository's network in a folder.
    fn lenet_bundle(folder: &Path, request: PlanRequest) -> String {
        let graph = crate::lenet::quantized();
        let path = folder.join(format!("{}.bundle", request.statement.name()));
        Bundle::new(graph, request)
            .unwrap()
            .create(&path, &Marks::at(folder.join("marks")))
            .unwrap();
        path.to_string_lossy().into_owned()
    }

    #[test]
    fn numbers_are_readable() {
        let counts = [0.0, 999.0, 1_000.0, 14_978.7].map(grouped);
        assert_eq!(counts, ["0", "999", "1,000", "14,979"]);
        assert_eq!([0.05, 0.025, 0.975].map(percent), ["5 %", "2.5 %", "97.5 %"]);
        assert_eq!(duration(7_200.0), "2.0 h");
    }
}
