//! Turns runs of statements that differ in their addresses only into loops: contracts have at most
//! 24,576 bytes (EIP-170), and a circuit's lanes are all alike.

/// Repetitions from which on a loop pays: it costs gas, a few units a turn, and saves bytes.
const LEAST_TURNS: usize = 5;
/// Most statements in a loop's body.
const LONGEST_BODY: usize = 8;
/// Most distances by which the addresses of one body may grow: one variable each.
const MOST_STEPS: usize = 3;

const VARIABLES: [&str; MOST_STEPS] = ["i", "j", "k"];

/// A statement with its memory addresses taken out.
struct Line {
    /// The text before, between and after the addresses.
    parts: Vec<String>,
    addresses: Vec<i64>,
}

impl Line {
    fn new(text: &str) -> Self {
        let (mut parts, mut addresses, mut rest) = (Vec::new(), Vec::new(), text);
        let mut part = String::new();
        while let Some(at) =
            ["mload(0x", "mstore(0x"].iter().filter_map(|call| find(rest, call)).min()
        {
            let digits = rest[at..].find(|c: char| !c.is_ascii_hexdigit());
            let end = at + digits.unwrap_or(rest.len() - at);
            // Addresses have 16 bits; what has more digits is left in the text.
            let Ok(address) = u16::from_str_radix(&rest[at..end], 16) else {
                part.push_str(&rest[..end]);
                rest = &rest[end..];
                continue;
            };
            part.push_str(&rest[..at - 2]);
            parts.push(std::mem::take(&mut part));
            addresses.push(i64::from(address));
            rest = &rest[end..];
        }
        part.push_str(rest);
        parts.push(part);
        Self { parts, addresses }
    }

    /// The statement in a loop; `steps` are the distances and `body` those of its addresses.
    fn in_loop(&self, steps: &[i64], body: &[i64], turns: usize) -> String {
        let mut text = String::new();
        for (index, (address, step)) in self.addresses.iter().zip(body).enumerate() {
            text.push_str(&self.parts[index]);
            match steps.iter().position(|other| other == step) {
                // A variable that counts down ends at its step.
                Some(variable) if *step < 0 => {
                    let last = address + *step * turns as i64;
                    text.push_str(&format!("add({}, {last:#x})", VARIABLES[variable]));
                }
                Some(variable) => {
                    text.push_str(&format!("add({}, {address:#x})", VARIABLES[variable]));
                }
                None => text.push_str(&format!("{address:#x}")),
            }
        }
        text.push_str(&self.parts[self.addresses.len()]);
        text
    }
}

/// Index of the first digit of a call's literal address.
fn find(text: &str, call: &str) -> Option<usize> {
    text.find(call).map(|at| at + call.len())
}

/// Rolls up statements, one a line.
pub(super) fn roll(code: &str) -> String {
    let texts = code.lines().collect::<Vec<_>>();
    let lines = texts.iter().map(|text| Line::new(text)).collect::<Vec<_>>();
    let mut rolled = String::new();
    let mut at = 0;
    while at < lines.len() {
        let best = (1..=LONGEST_BODY)
            .filter_map(|length| Loop::at(&lines[at..], length))
            .max_by_key(|found| (found.length * found.turns, std::cmp::Reverse(found.length)));
        match best {
            Some(found) => {
                found.write(&lines[at..], &mut rolled);
                at += found.length * found.turns;
            }
            None => {
                rolled.push_str(texts[at]);
                rolled.push('\n');
                at += 1;
            }
        }
    }
    rolled
}

struct Loop {
    /// Statements of the body.
    length: usize,
    turns: usize,
    /// Distinct distances, not zero.
    steps: Vec<i64>,
    /// Distance of each address, statement by statement.
    body: Vec<Vec<i64>>,
}

impl Loop {
    /// The loop of bodies of `length` statements that `lines` start with.
    fn at(lines: &[Line], length: usize) -> Option<Self> {
        let (first, second) = (lines.get(..length)?, lines.get(length..2 * length)?);
        let body = distances(first, second)?;
        let mut steps =
            body.iter().flatten().copied().filter(|step| *step != 0).collect::<Vec<_>>();
        steps.sort_unstable_by_key(|step| -step);
        steps.dedup();
        if steps.is_empty() || steps.len() > MOST_STEPS {
            return None;
        }
        let bodies = lines.chunks_exact(length);
        let alike = bodies
            .clone()
            .zip(bodies.skip(1))
            .take_while(|(a, b)| distances(a, b).as_ref() == Some(&body))
            .count();
        let turns = alike + 1;
        // A loop that counts down names the address below its last one.
        let below = lines[..length].iter().zip(&body).any(|(line, steps)| {
            let ends = line.addresses.iter().zip(steps);
            ends.into_iter().any(|(address, step)| address + step.min(&0) * turns as i64 <= 0)
        });
        if below {
            return None;
        }
        (turns >= LEAST_TURNS).then_some(Self { length, turns, steps, body })
    }

    fn write(&self, lines: &[Line], code: &mut String) {
        let turns = self.turns as i64;
        let (mut starts, mut moves) = (String::new(), String::new());
        for (variable, step) in VARIABLES.iter().zip(&self.steps) {
            let start = if *step < 0 { -step * turns } else { 0 };
            starts.push_str(&format!("let {variable} := {start:#x} "));
            let operation = if *step < 0 { "sub" } else { "add" };
            moves.push_str(&format!("{variable} := {operation}({variable}, {:#x}) ", step.abs()));
        }
        // The first variable decides.
        let condition = match self.steps[0] {
            step if step < 0 => VARIABLES[0].to_owned(),
            step => format!("lt({}, {:#x})", VARIABLES[0], step * turns),
        };
        code.push_str(&format!("for {{ {starts}}} {condition} {{ {moves}}} {{\n"));
        for (line, body) in lines[..self.length].iter().zip(&self.body) {
            code.push_str("    ");
            code.push_str(&line.in_loop(&self.steps, body, self.turns));
            code.push('\n');
        }
        code.push_str("}\n");
    }
}

/// By how much the addresses of one body differ from those of the next, if nothing else does.
fn distances(a: &[Line], b: &[Line]) -> Option<Vec<Vec<i64>>> {
    a.iter()
        .zip(b)
        .map(|(a, b)| {
            let differences = || a.addresses.iter().zip(&b.addresses).map(|(a, b)| b - a).collect();
            (a.parts == b.parts).then(differences)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the statements that a rolled text stands for are, one a line.
    fn unrolled(code: &str) -> String {
        let (mut result, mut lines) = (String::new(), code.lines());
        while let Some(line) = lines.next() {
            let Some(head) = line.strip_prefix("for { ") else {
                result.push_str(line);
                result.push('\n');
                continue;
            };
            let body = lines.by_ref().take_while(|line| *line != "}").collect::<Vec<_>>();
            let number =
                |text: &str| i64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap();
            let (starts, rest) = head.split_once("} ").unwrap();
            let (condition, rest) = rest.split_once(" { ").unwrap();
            let mut values = starts
                .split("let ")
                .filter_map(|part| part.split_once(" := "))
                .map(|(name, value)| (name, number(value.trim())))
                .collect::<Vec<_>>();
            let moves = rest
                .split(") ")
                .filter_map(|part| part.split_once(" := "))
                .map(|(_, operation)| {
                    let step = number(operation.split_once(", ").unwrap().1);
                    if operation.starts_with("sub") { -step } else { step }
                })
                .collect::<Vec<_>>();
            let limit =
                condition.split_once(", ").map(|(_, end)| number(end.trim_end_matches(')')));
            while limit.map_or(values[0].1 != 0, |limit| values[0].1 < limit) {
                for line in &body {
                    let mut line = line.trim_start().to_owned();
                    for (name, value) in &values {
                        while let Some(at) = line.find(&format!("add({name}, ")) {
                            let end = at + line[at..].find(')').unwrap();
                            let address = number(&line[at + 7..end]) + value;
                            line.replace_range(at..=end, &format!("{address:#x}"));
                        }
                    }
                    result.push_str(&line);
                    result.push('\n');
                }
                for ((_, value), step) in values.iter_mut().zip(&moves) {
                    *value += step;
                }
            }
        }
        result
    }

    #[test]
    fn loops_stand_for_the_statements_that_they_replace() {
        let mut code = "h := mload(0x40)\n".to_owned();
        for lane in 0..7 {
            let (scratch, cell) = (0x5000 + 0x40 * lane, 0x4360 + 0x80 * lane);
            code += &format!("mstore({scratch:#x}, add(mload(0x80), mload({cell:#x})))\n");
            code += &format!("h := add(mulmod(h, y, r), mload({scratch:#x}))\nmstore(opaque, h)\n");
        }
        for lane in (0..9).rev() {
            code += &format!("a := add(mulmod(a, 0x100, r), mload({:#x}))\n", 0x4000 + 0x20 * lane);
        }
        for lane in 0..6 {
            let (up, down) = (0x6000 + 0x20 * lane, 0x7000 - 0x60 * lane);
            code += &format!("mstore({up:#x}, mload({down:#x}))\n");
        }
        code += "h := add(h, a)\n";
        let rolled = roll(&code);
        assert_eq!(rolled.matches("for {").count(), 3, "{rolled}");
        assert_eq!(rolled.lines().count(), 1 + 5 + 3 + 3 + 1, "{rolled}");
        assert_eq!(unrolled(&rolled), code);
    }

    #[test]
    fn what_differs_in_more_than_addresses_stays() {
        let alike = (0..4).map(|i| format!("h := mload({:#x})\n", 32 * i)).collect::<String>();
        assert_eq!(roll(&alike), alike, "too few");
        let constants = (0..9).map(|i| format!("h := add(h, {i:#x})\n")).collect::<String>();
        assert_eq!(roll(&constants), constants);
        let low =
            (0..9).map(|i| format!("h := mload({:#x})\n", 0x400 - 0x80 * i)).collect::<String>();
        assert_eq!(roll(&low), low, "an address below the first");
        let uneven = (0..9).map(|i| format!("h := mload({:#x})\n", 32 * i * i)).collect::<String>();
        assert_eq!(roll(&uneven), uneven);
    }
}
