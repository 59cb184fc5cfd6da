use assay_prover::{bundle::*, circuit::*, data::*, model::*, prediction, proof::*, quantize::*};
use halo2_proofs::halo2curves::bn256::Fr;
use std::{path::Path, time::Instant};

fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let f: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (f[11].parse::<f64>().unwrap() + f[12].parse::<f64>().unwrap()) / 100.0
}
fn rss() -> String {
    std::fs::read_to_string("/proc/self/status").unwrap().lines().find(|l| l.starts_with("VmHWM")).unwrap().into()
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let t = Instant::now();
    let float = Model::import(Path::new(&a[1])).unwrap().graph;
    let enc = match a[3].as_str() { "unit" => InputEncoding::UNIT, "raw" => InputEncoding::RAW, _ => InputEncoding::SYMMETRIC };
    let n: usize = a[4].parse().unwrap();
    let data = Dataset::open(Path::new(&a[2]), float.input_shape(), &enc, n + 4).unwrap();
    let graph = calibrate_and_quantize(&float, &enc, &data.inputs, &QuantizeOptions::default()).unwrap();
    println!("import+quantize {:.1}s", t.elapsed().as_secs_f64());
    for f in &graph.functions { println!("  table {} {} rows", f.name, f.values.len()); }
    let lanes = a.get(5).and_then(|x| x.parse().ok());
    let wc = a.get(6).and_then(|x| x.parse().ok());
    let t = Instant::now();
    let request = PlanRequest { lanes, weight_columns: wc, ..PlanRequest::default() };
    let bundle = Bundle::new(graph, request).unwrap();
    let layout = bundle.layout().unwrap();
    println!("plan {:.1}s {:?}\n k {} {:?} used {}\n {:?}\n {:?}", t.elapsed().as_secs_f64(), layout.options, layout.k, layout.rows, layout.rows_used(), layout.estimate(), layout.profile);
    if a.get(7).is_some() { return; }
    let t = Instant::now();
    let srs = Srs::dev(layout.k, [1; 32]).unwrap();
    println!("srs {:.1}s", t.elapsed().as_secs_f64());
    let t = Instant::now();
    let key = prediction::generate_key(&srs, &layout).unwrap();
    println!("keygen {:.1}s {}", t.elapsed().as_secs_f64(), rss());
    let dir = std::env::temp_dir().join("measure-bundle");
    let _ = std::fs::remove_file(dir.with_extension("openings"));
    let _ = std::fs::remove_file(format!("{}.openings", dir.display()));
    let c0 = cpu();
    let st = prediction::Statement { context: Fr::from(5), input: &data.inputs[n], salt: Fr::from(9) };
    let p = prediction::prove(&bundle, &dir, &layout, &srs, &key, &st).unwrap();
    println!("witness {:?} prove {:?} cpu {:.1} {} class {} label {:?} bytes {}", p.witness_time, p.prove_time, cpu() - c0, rss(), p.class, data.labels.get(n), p.proof.proof.len());
    let v = key.verifier();
    let t = Instant::now();
    let r = v.verify(&p.proof.public_inputs, &p.proof.proof);
    println!("verify {:?} {:?}", t.elapsed(), r.map(|h| h == prediction::model_hash(&bundle, &layout, &srs, key.info().profile().blinding_factors).unwrap()));
}
