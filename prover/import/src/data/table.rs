//! Tables of numbers as text (`.csv`), and files of labels.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use super::{DataError, Labels, Samples, Source, label_from};
use assay_graph::InputPart;

const LABEL_NAMES: [&str; 5] = ["label", "labels", "y", "class", "target"];
const DELIMITERS: [char; 3] = [',', ';', '\t'];

/// Reads a table with one input in each row, its numbers in the order of the columns, and perhaps a
/// column of labels.
pub(super) fn read(source: &Source<'_>) -> Result<Samples, DataError> {
    let path = source.path;
    let elements: usize = source.shape.iter().product();
    let mut samples = Samples::default();
    let mut columns: Option<Columns> = None;
    // Which of the numbers of a row each input takes, where a header says so.
    let mut order: Option<Vec<usize>> = None;
    each_row(path, |row, fields| {
        let columns = match &columns {
            Some(columns) => columns,
            None => {
                let found = Columns::find(source, row, &fields)?;
                let is_header = found.has_header;
                let inputs = found.count - usize::from(found.label.is_some());
                if inputs != elements {
                    return Err(DataError::Row {
                        path: path.to_owned(),
                        row,
                        problem: format!(
                            "{inputs} columns beside {}; an input of shape {:?} has {elements} \
                             numbers",
                            if found.label.is_some() { "the label" } else { "no label" },
                            source.shape
                        ),
                    });
                }
                let columns = columns.insert(found);
                if is_header && !source.parts.is_empty() {
                    order = order_of(source, &fields, columns.label)?;
                }
                if is_header {
                    return Ok(true);
                }
                columns
            }
        };
        if samples.numbers.len() == source.limit {
            return Ok(false);
        }
        if fields.len() != columns.count {
            let problem = format!("{} columns, the first row has {}", fields.len(), columns.count);
            return Err(DataError::Row { path: path.to_owned(), row, problem });
        }
        let wrong = |index: usize, problem: String| DataError::Cell {
            path: path.to_owned(),
            row,
            column: index + 1,
            name: columns.name(source, index),
            problem,
        };
        let mut numbers = Vec::with_capacity(elements);
        for (index, field) in fields.iter().enumerate() {
            let number: f64 =
                field.parse().map_err(|_| wrong(index, format!("{field:?} is not a number")))?;
            if columns.label == Some(index) {
                let label = label_from(number).map_err(|problem| wrong(index, problem))?;
                samples.data.labels.push(label);
            } else {
                numbers.push(number);
            }
        }
        if let Some(order) = &order {
            numbers = order.iter().map(|column| numbers[*column]).collect();
        }
        if let Some(order) = source.order {
            numbers = order.stored(source.shape, &numbers);
        }
        let encode = || source.values.encode(&numbers, source.clamp);
        let is_wanted = samples.numbers.len() >= source.skip;
        let bytes = if is_wanted { encode() } else { Ok(Vec::new()) };
        let bytes = bytes.map_err(|(index, problem)| {
            let number = source.number(index);
            let number = order.as_ref().map_or(number, |order| order[number]);
            wrong(columns.column(number), problem)
        })?;
        samples.data.inputs.push(bytes);
        samples.numbers.push(numbers);
        Ok(true)
    })?;
    Ok(samples)
}

/// The columns of several inputs of one number each, by their names in the header; none where the header
/// has other names.
fn order_of(
    source: &Source<'_>,
    header: &[String],
    label: Option<usize>,
) -> Result<Option<Vec<usize>>, DataError> {
    let numbers = header.iter().enumerate().filter(|(index, _)| Some(*index) != label);
    let names = numbers.map(|(_, name)| name.as_str()).collect::<Vec<_>>();
    let known = source.parts.iter().filter(|part| names.contains(&part.name.as_str())).count();
    if known == 0 || source.parts.iter().any(|part| part.elements != 1) {
        return Ok(None);
    }
    let place = |part: &InputPart| {
        names.iter().position(|name| *name == part.name).ok_or_else(|| DataError::Row {
            path: source.path.to_owned(),
            row: 1,
            problem: format!("no column is called `{}`, as an input of the network is", part.name),
        })
    };
    source.parts.iter().map(place).collect::<Result<_, _>>().map(Some)
}

struct Columns {
    count: usize,
    has_header: bool,
    /// The fields of the header; empty without one.
    names: Vec<String>,
    label: Option<usize>,
}

impl Columns {
    /// The column of number `index` of a row.
    fn column(&self, index: usize) -> usize {
        index + usize::from(self.label.is_some_and(|label| label <= index))
    }

    /// What a column is called: in the header, else by the network.
    fn name(&self, source: &Source<'_>, column: usize) -> String {
        if let Some(name) = self.names.get(column) {
            return name.clone();
        }
        let number = column - usize::from(self.label.is_some_and(|label| label < column));
        let name = source.name_of("", number).filter(|_| self.label != Some(column));
        name.unwrap_or_default()
    }

    /// From the first row: a header if one of its fields is no number.
    fn find(source: &Source<'_>, row: usize, fields: &[String]) -> Result<Self, DataError> {
        let has_header = fields.iter().any(|field| field.parse::<f64>().is_err());
        let named = |name: &str| {
            has_header.then(|| fields.iter().position(|field| field.eq_ignore_ascii_case(name)))?
        };
        let label = match source.labels {
            Labels::None | Labels::File(_) => None,
            Labels::Find => LABEL_NAMES.iter().find_map(|name| named(name)),
            Labels::Named(name) => {
                let numbered = || {
                    let number: usize = name.parse().ok()?;
                    number.checked_sub(1).filter(|index| *index < fields.len())
                };
                let found = named(name).or_else(numbered).ok_or_else(|| DataError::Row {
                    path: source.path.to_owned(),
                    row,
                    problem: format!("no column is called {name:?} or has that number"),
                })?;
                Some(found)
            }
        };
        let names = if has_header { fields.to_vec() } else { Vec::new() };
        Ok(Self { count: fields.len(), has_header, names, label })
    }
}

/// What a file of labels says.
pub(super) enum LabelFile {
    /// One label for each input, in order.
    InOrder(Vec<usize>),
    /// Labels of files by their names.
    ByName(BTreeMap<String, usize>),
}

/// Reads lines of a label each, or of a file name and a label.
pub(super) fn read_labels(path: &Path) -> Result<LabelFile, DataError> {
    let mut in_order = Vec::new();
    let mut by_name = BTreeMap::new();
    let mut first = true;
    each_row(path, |row, fields| {
        let is_first = std::mem::replace(&mut first, false);
        let wrong = |column: usize, problem: String| DataError::Cell {
            path: path.to_owned(),
            row,
            column,
            name: String::new(),
            problem,
        };
        let label = |column: usize, text: &str| {
            let number: f64 =
                text.parse().map_err(|_| wrong(column, format!("{text:?} is not a label")))?;
            label_from(number).map_err(|problem| wrong(column, problem))
        };
        // A row without any number can only be a header.
        if is_first && fields.iter().all(|field| field.parse::<f64>().is_err()) {
            return Ok(true);
        }
        match fields.as_slice() {
            [text] if by_name.is_empty() => in_order.push(label(1, text)?),
            [name, text] if in_order.is_empty() => {
                if by_name.insert(name.clone(), label(2, text)?).is_some() {
                    return Err(wrong(1, format!("{name:?} has a label already")));
                }
            }
            _ => {
                let problem =
                    "neither a label nor a file name and a label, like the rows before".to_owned();
                return Err(DataError::Row { path: path.to_owned(), row, problem });
            }
        }
        Ok(true)
    })?;
    Ok(if by_name.is_empty() { LabelFile::InOrder(in_order) } else { LabelFile::ByName(by_name) })
}

/// Calls `row` with each row's number, from 1, and its fields until it answers `false`. Empty lines
/// are left out.
fn each_row(
    path: &Path,
    mut row: impl FnMut(usize, Vec<String>) -> Result<bool, DataError>,
) -> Result<(), DataError> {
    let failed = |source| DataError::Read { path: path.to_owned(), source };
    let file = BufReader::new(File::open(path).map_err(failed)?);
    let mut delimiter = None;
    for (index, line) in file.lines().enumerate() {
        let line = line.map_err(failed)?;
        let line = line.strip_prefix('\u{feff}').unwrap_or(&line);
        if line.trim().is_empty() {
            continue;
        }
        let delimiter = *delimiter.get_or_insert_with(|| {
            DELIMITERS.into_iter().find(|delimiter| line.contains(*delimiter)).unwrap_or(',')
        });
        let fields = split(line, delimiter).ok_or_else(|| DataError::Row {
            path: path.to_owned(),
            row: index + 1,
            problem: "a quotation mark is not closed".to_owned(),
        })?;
        if !row(index + 1, fields)? {
            break;
        }
    }
    Ok(())
}

/// Fields of a line, quoted or not (RFC 4180), without the spaces around them.
fn split(line: &str, delimiter: char) -> Option<Vec<String>> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        let field = fields.last_mut()?;
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' if quoted || field.trim().is_empty() => quoted = !quoted,
            _ if character == delimiter && !quoted => fields.push(String::new()),
            _ => field.push(character),
        }
    }
    let trim = |field: &String| field.trim().to_owned();
    (!quoted).then(|| fields.iter().map(trim).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_split_at_delimiters_outside_quotes() {
        let fields = |line| split(line, ',').expect("closed");
        assert_eq!(fields("1, 2 ,,4"), ["1", "2", "", "4"]);
        assert_eq!(fields(r#""a,b","say ""x""",3"#), ["a,b", r#"say "x""#, "3"]);
        assert_eq!(split(r#"1,"2"#, ','), None);
    }
}
