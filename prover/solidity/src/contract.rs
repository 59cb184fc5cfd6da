//! The text of the verifier contract.

use std::fmt::Write;

use assay_arithmetic::keccak256;
use assay_proof::{
    profile::{Evaluation, Profile, RotationSet},
    transcript::DOMAIN,
    vk_data::VkData,
};

use super::{
    GeneratedVerifier, Options,
    gates::fold_constraints,
    memory::{Memory, header},
    selector,
    tables::Tables,
    template::Template,
    text::{hex_word, indent},
};

/// Custom errors of the contract: constant in the template, signature, meaning.
const ERRORS: [(&str, &str, &str); 10] = [
    (
        "CALLDATA",
        "CalldataLength()",
        "The calldata is not the one canonical encoding of the arguments.",
    ),
    ("LENGTH", "ProofLength()", "The proof does not have the length of this profile's proofs."),
    ("COUNT", "PublicInputCount()", "Wrong number of public inputs."),
    ("KEY", "VerifyingKeyFormat()", "The code at `vk` is not a verifying key of this profile."),
    ("INPUT", "PublicInputNotInField(uint256)", "The public input with this index is r or above."),
    ("SCALAR", "ScalarNotInField(uint256)", "The scalar at this byte of the proof is r or above."),
    (
        "POINT",
        "PointNotOnCurve(uint256)",
        "The point at this byte of the proof has a coordinate that is q or above, is not on the curve, or is the point at infinity.",
    ),
    (
        "DEGENERATE",
        "DegenerateChallenge()",
        "A challenge met a root of unity or an opening point; the proof must be made again.",
    ),
    (
        "PRECOMPILE",
        "PrecompileFailed()",
        "A precompiled contract failed: a point of the verifying key is not on its curve.",
    ),
    ("INVALID", "ProofInvalid()", "The proof does not hold for this key and these public inputs."),
];

/// Signatures of the contract's custom errors, such as `ScalarNotInField(uint256)`.
pub fn error_signatures() -> impl Iterator<Item = &'static str> {
    ERRORS.iter().map(|(_, signature, _)| *signature)
}

/// Delta of the permutation argument (`Fr::DELTA`), the generator of the cosets of its columns.
fn delta() -> String {
    use halo2_proofs::halo2curves::{bn256::Fr, ff::PrimeField};
    hex_word(&assay_proof::transcript::scalar_to_bytes(&Fr::DELTA))
}

/// The memory of a profile's contract.
pub(super) fn memory(profile: &Profile, sets: &[RotationSet]) -> Memory {
    let mut rotations: Vec<i32> = sets.iter().flat_map(|set| set.rotations.clone()).collect();
    rotations.sort_unstable();
    rotations.dedup();
    let interpolated = sets.iter().filter(|set| set.rotations.len() > 1);
    let more = 1 + interpolated.map(|set| set.rotations.len()).sum::<usize>();
    Memory::new(profile, rotations, more, Tables::words(profile, sets))
}

pub(super) fn generate(profile: &Profile, options: &Options) -> GeneratedVerifier {
    let sets = profile.rotation_sets();
    let memory = memory(profile, &sets);
    let tables = Tables::new(profile, &sets, &memory);
    let (gates, _) = fold_constraints(&profile.constraints, &memory, memory.scratch);

    let mut template = Template::new();
    put_declarations(&mut template, profile, options);
    template.put("DOMAIN_DIGEST", &hex_word(&keccak256(&[DOMAIN])));
    template.put("TRANSCRIPT", &transcript(profile, &memory));
    template.put("TABLES", &tables.code(&memory));
    template.put("MULTIOPEN_DENOMINATORS", &multiopen_denominators(&sets, &memory));
    template.put("OPENING_POINTS", &opening_points(profile, &memory));
    template.put("GATES", &indent(&gates, 16));
    template.put("PERMUTATION", &permutation(profile, &memory, &tables));
    template.put("QUOTIENT_COMMITMENT", &quotient_commitment(profile, &memory));
    template.put("SET_FUNCTIONS", &set_functions(&sets, &tables, &memory));
    template.put("SETS", &set_sums(&sets, &memory));
    template.put_arguments(profile, &memory);
    template.put_key(profile, &memory);
    template.put_precompiles(&memory);
    template.put_values(profile, &memory);
    GeneratedVerifier {
        source: template.finish(),
        contract_name: options.contract_name.clone(),
        profile: profile.digest(),
        proof_bytes: profile.proof_bytes(),
        vk_bytes: VkData::byte_length(profile),
    }
}

/// What stands around the verifying function: import, name, custom errors, profile.
fn put_declarations(template: &mut Template, profile: &Profile, options: &Options) {
    let (import, inherit) = match &options.interface_import {
        Some(path) => {
            (format!("import {{IHalo2Verifier}} from \"{path}\";\n\n"), " is IHalo2Verifier")
        }
        None => (String::new(), ""),
    };
    template.put("SUMMARY", &summary(profile));
    template.put("IMPORT", &import);
    template.put("NAME", &format!("{}{inherit}", options.contract_name));
    let mut declarations = String::new();
    for (name, signature, meaning) in ERRORS {
        let _ = writeln!(declarations, "    /// {meaning}\n    error {signature};");
        template.put(&format!("E_{name}"), &format!("{:#010x}", selector(signature)));
    }
    template.put("ERRORS", &declarations);
    template.put("PROFILE", &hex_word(&profile.digest()));
}

fn summary(profile: &Profile) -> String {
    format!(
        "{} advice columns ({} of them weights), {} fixed columns, {} copied columns,\n/// {} \
         constraints, {} public inputs; proofs of {} bytes",
        profile.advice_columns(),
        profile.weight_columns,
        profile.fixed_columns,
        profile.permutation.len(),
        profile.constraints.len(),
        profile.public_inputs,
        profile.proof_bytes(),
    )
}

/// Absorbs the proof piece by piece and stores the challenges.
fn transcript(profile: &Profile, memory: &Memory) -> String {
    let mut code = String::new();
    let mut pending = memory.transcript_repr;
    let mut squeeze = |end: usize, store: Option<usize>, comment: &str| {
        if pending < end {
            let _ = writeln!(code, "digest := absorb({pending:#x}, {end:#x}, digest) // {comment}");
        } else {
            let _ = writeln!(code, "digest := again(digest) // {comment}");
        }
        pending = end;
        if let Some(word) = store {
            let _ = writeln!(code, "mstore({word:#x}, mod(digest, r))");
        }
    };
    for phase in 0..profile.schedule.phases() {
        let end = memory.phase_end(phase);
        for (index, after) in profile.schedule.challenges.iter().enumerate() {
            if *after == phase {
                let word = memory.challenges + 32 * index;
                squeeze(end, Some(word), &format!("challenge {index}"));
            }
        }
    }
    let advice_end = memory.product_point(0);
    squeeze(advice_end, None, "theta of library lookups, of which there are none");
    squeeze(advice_end, Some(memory.beta), "beta");
    squeeze(advice_end, Some(memory.gamma), "gamma");
    squeeze(memory.quotient_piece(0), Some(memory.y), "y");
    squeeze(memory.evaluations, Some(memory.x), "x");
    squeeze(memory.openings, Some(memory.shplonk_y), "y of the multi-opening");
    squeeze(memory.openings, Some(memory.shplonk_v), "v of the multi-opening");
    squeeze(memory.openings + 0x40, Some(memory.shplonk_u), "u of the multi-opening");
    indent(&code, 16)
}

fn opening_points(profile: &Profile, memory: &Memory) -> String {
    let mut code = String::new();
    let first = profile.last_rotation();
    for rotation in &memory.rotations {
        let power = memory.omegas + 32 * (rotation - first).unsigned_abs() as usize;
        let point = memory.opening_point(*rotation);
        let difference = memory.difference(*rotation);
        let value = match rotation {
            0 => "x".to_owned(),
            ..=1 => format!("mulmod(x, mload({power:#x}), r)"),
            _ => {
                // A power of two: by squaring.
                let _ = writeln!(code, "point := mload({:#x})", memory.header(header::OMEGA));
                let squarings = rotation.unsigned_abs().ilog2();
                let _ = writeln!(
                    code,
                    "for {{ let i := {squarings} }} i {{ i := sub(i, 1) }} {{ point := mulmod(point, point, r) }}"
                );
                "mulmod(x, point, r)".to_owned()
            }
        };
        let _ = writeln!(code, "point := {value} // rotation {rotation}");
        let _ = writeln!(code, "mstore({point:#x}, point)");
        let _ = writeln!(code, "mstore({difference:#x}, addmod(u, sub(r, point), r))");
    }
    indent(&code, 16)
}

/// A product of terms, `1` if there are none.
fn product(terms: impl IntoIterator<Item = String>) -> String {
    terms
        .into_iter()
        .reduce(|product, term| format!("mulmod({product}, {term}, r)"))
        .unwrap_or_else(|| "1".to_owned())
}

/// Product of u - point over the points of a set (or all others).
fn vanishing_at_u(memory: &Memory, set: &RotationSet, inside: bool) -> String {
    let rotations = memory.rotations.iter();
    let chosen = rotations.filter(|rotation| set.rotations.contains(rotation) == inside);
    product(chosen.map(|rotation| format!("mload({:#x})", memory.difference(*rotation))))
}

fn multiopen_denominators(sets: &[RotationSet], memory: &Memory) -> String {
    let mut code = String::new();
    let mut word = memory.more_denominators + 32;
    if let Some(first) = sets.first() {
        let _ = writeln!(code, "mstore({word:#x}, {})", vanishing_at_u(memory, first, false));
    }
    for set in sets.iter().filter(|set| set.rotations.len() > 1) {
        for rotation in &set.rotations {
            word += 32;
            let others = set.rotations.iter().filter(|other| *other != rotation);
            let differences = others.map(|other| {
                let [this, other] = [rotation, other].map(|r| memory.opening_point(*r));
                format!("addmod(mload({this:#x}), sub(r, mload({other:#x})), r)")
            });
            let _ = writeln!(code, "mstore({word:#x}, {})", product(differences));
        }
    }
    indent(&code, 16)
}

fn permutation(profile: &Profile, memory: &Memory, tables: &Tables) -> String {
    let products = profile.products();
    if products == 0 {
        return String::new();
    }
    let word = |evaluation| memory.evaluation(evaluation);
    let first = word(Evaluation::Product(0));
    let last = word(Evaluation::Product(products - 1));
    let mut code = format!(
        "h := add(mulmod(h, y, r), mulmod(mload({l_0:#x}), add(1, sub(r, mload({first:#x}))), r))\n\
         h := add(mulmod(h, y, r), mulmod(mload({l_last:#x}), mulmod(mload({last:#x}), \
         add(mload({last:#x}), sub(r, 1)), r), r))\n",
        l_0 = memory.l_0,
        l_last = memory.l_last,
    );
    if products > 1 {
        let _ = writeln!(
            code,
            "// Each product starts where the one before ended.\n\
             for {{ let z := {:#x} }} lt(z, {:#x}) {{ z := add(z, 0x60) }} {{\n\
             h := add(mulmod(h, y, r), mulmod(mload({:#x}), add(mload(z), sub(r, mload(sub(z, 0x20)))), r))\n}}",
            first + 0x60,
            last + 1,
            memory.l_0,
        );
    }
    let (start, end) = tables.permutation;
    let sigma = word(Evaluation::Permutation(0));
    let _ = writeln!(
        code,
        "let column := {start:#x}\n\
         let sigma := {sigma:#x}\n\
         let beta := mload({beta:#x})\n\
         let shift := mulmod(beta, mload({x:#x}), r)\n\
         for {{ let z := {first:#x} }} lt(z, {past:#x}) {{ z := add(z, 0x60) }} {{\n\
         let left := mload(add(z, 0x20))\n\
         let right := mload(z)",
        beta = memory.beta,
        x = memory.x,
        past = last + 1,
    );
    let chunk = profile.permutation_chunk;
    let step = "let value := add(mload(shr(240, mload(column))), mload(<GAMMA>))\n\
                left := mulmod(left, add(value, mulmod(beta, mload(sigma), r)), r)\n\
                right := mulmod(right, add(value, shift), r)\n\
                shift := mulmod(shift, <DELTA>, r)\n\
                column := add(column, 2)\n\
                sigma := add(sigma, 0x20)\n";
    let step =
        step.replace("<GAMMA>", &format!("{:#x}", memory.gamma)).replace("<DELTA>", &delta());
    if chunk == 1 {
        code.push_str(&step);
    } else {
        let _ = writeln!(
            code,
            "let last := add(column, {:#x})\n\
             if gt(last, {end:#x}) {{ last := {end:#x} }}\n\
             for {{ }} lt(column, last) {{ }} {{\n{step}}}",
            2 * chunk
        );
    }
    let _ = writeln!(
        code,
        "h := add(mulmod(h, y, r), mulmod(mload({:#x}), add(left, sub(r, right)), r))\n}}",
        memory.l_active
    );
    indent(&code, 16)
}

/// h_0 + x^n h_1 + ..., by Horner's rule.
fn quotient_commitment(profile: &Profile, memory: &Memory) -> String {
    let first = memory.quotient_piece(0);
    let last = memory.quotient_piece(profile.quotient_pieces - 1);
    let code = format!(
        "mstore({scalar:#x}, mload({x_n:#x}))\n\
         mcopy({a:#x}, {last:#x}, 0x40)\n\
         for {{ let piece := {last:#x} }} gt(piece, {first:#x}) {{ }} {{\n\
         piece := sub(piece, 0x40)\n\
         ok := and(ok, step(piece))\n}}\n\
         mcopy({quotient:#x}, {a:#x}, 0x40)\n",
        a = Memory::BASE,
        scalar = Memory::SCALAR,
        x_n = memory.x_n,
        quotient = memory.quotient,
    );
    indent(&code, 16)
}

/// One function per rotation set: folds its commitments into the point at 0 and its evaluations
/// into one value per rotation, with powers of y.
fn set_functions(sets: &[RotationSet], tables: &Tables, memory: &Memory) -> String {
    let mut code = String::new();
    for (index, (set, (start, step, end))) in sets.iter().zip(&tables.sets).enumerate() {
        let names: Vec<String> = (0..set.rotations.len()).map(|k| format!("e{k}")).collect();
        let field = |k: usize| match k {
            14 => "mload(and(entry, 0xffff))".to_owned(),
            _ => format!("mload(and(shr({}, entry), 0xffff))", 224 - 16 * k),
        };
        let _ = writeln!(
            code,
            "/// Opened at rotations {:?}.\n\
             function set{index}(r) -> ok, {} {{\n\
             if callvalue() {{ leave }}\n\
             let y := mload({:#x})\n\
             mstore({scalar:#x}, y)\n\
             let entry := mload({start:#x})\n\
             mcopy({a:#x}, shr(240, entry), 0x40)",
            set.rotations,
            names.join(", "),
            memory.shplonk_y,
            a = Memory::BASE,
            scalar = Memory::SCALAR,
        );
        for (k, name) in names.iter().enumerate() {
            let _ = writeln!(code, "{name} := {}", field(k));
        }
        let _ = writeln!(
            code,
            "ok := 1\n\
             for {{ let at := {:#x} }} lt(at, {end:#x}) {{ at := add(at, {step}) }} {{\n\
             entry := mload(at)\n\
             ok := and(ok, step(shr(240, entry)))",
            start + step,
        );
        for (k, name) in names.iter().enumerate() {
            let _ = writeln!(code, "{name} := add(mulmod({name}, y, r), {})", field(k));
        }
        code.push_str("}\n}\n");
    }
    indent(&code, 12)
}

/// Weighs the rotation sets with powers of v and adds them up.
fn set_sums(sets: &[RotationSet], memory: &Memory) -> String {
    let mut code = String::new();
    let normalizer = memory.more_denominators + 32;
    let mut inverse = normalizer;
    for (index, set) in sets.iter().enumerate() {
        let names: Vec<String> = (0..set.rotations.len()).map(|k| format!("e{k}")).collect();
        let _ = writeln!(code, "{{\nlet done, {} := set{index}(r)", names.join(", "));
        let inner = if set.rotations.len() == 1 {
            "e0".to_owned()
        } else {
            let mut terms = Vec::new();
            for (name, rotation) in names.iter().zip(&set.rotations) {
                inverse += 32;
                let others = set.rotations.iter().filter(|other| *other != rotation);
                let factors = others
                    .map(|other| format!("mload({:#x})", memory.difference(*other)))
                    .chain([format!("mload({inverse:#x})")]);
                terms.push(format!("mulmod({name}, {}, r)", product(factors)));
            }
            let sum = terms.into_iter().reduce(|sum, term| format!("addmod({sum}, {term}, r)"));
            sum.unwrap_or_default()
        };
        if index == 0 {
            let _ = writeln!(
                code,
                "ok := and(ok, done)\nevaluation := mod({inner}, r)\nmcopy({:#x}, {:#x}, 0x40)\n}}",
                memory.total,
                Memory::BASE,
            );
        } else {
            let _ = writeln!(
                code,
                "power := mulmod(power, mload({:#x}), r)\n\
                 let weight := mulmod(power, mulmod({}, mload({normalizer:#x}), r), r)\n\
                 evaluation := addmod(evaluation, mulmod(weight, {inner}, r), r)\n\
                 ok := and(ok, and(done, accumulate(weight)))\n}}",
                memory.shplonk_v,
                vanishing_at_u(memory, set, false),
            );
        }
    }
    if let Some(first) = sets.first() {
        let _ = writeln!(code, "let z := {}", vanishing_at_u(memory, first, true));
    }
    indent(&code, 16)
}
