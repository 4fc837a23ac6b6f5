// SPDX-License-Identifier: MIT
//! Files of cases: their form, and how many runs there are.

use ioasid::Store;

pub const STORES: [(&str, Store); 3] =
    [("bitmap", Store::Bitmap), ("radix", Store::Radix), ("hash", Store::Hash)];

pub struct File {
    pub path: String,
    /// Words; none for a comment or an empty line.
    pub lines: Vec<Vec<String>>,
    pub runs: usize,
    /// A line from 0, and what is wrong with it.
    pub wrong: Option<(usize, String)>,
}

/// A number without sign and needless zeros, at most `max`.
pub fn number(text: &str, max: u64) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || (text.len() > 1 && text.starts_with('0')) {
        return None;
    }
    text.parse().ok().filter(|&number| number <= max)
}

/// A letter, then letters, digits, `-` and `_`.
pub fn is_name(text: &str) -> bool {
    let rest =
        |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(rest)
}

/// The stores of a line `case NAME [stores=...]`, if it is one.
pub fn stores_of(line: &[String]) -> Option<Vec<(&'static str, Store)>> {
    if line.len() < 2 || line.len() > 3 || !is_name(&line[1]) {
        return None;
    }
    let list = match line.get(2) {
        None => return Some(STORES.to_vec()),
        Some(word) => word.strip_prefix("stores=")?,
    };
    let named: Vec<&str> = list.split(',').collect();
    let known: Vec<_> =
        STORES.into_iter().filter(|(name, _)| named.contains(name)).collect();
    Some(known).filter(|known| known.len() == named.len())
}

fn words(text: &str) -> Option<Vec<String>> {
    if text.is_empty() || text.starts_with('#') {
        return Some(Vec::new());
    }
    let words: Vec<String> = text.split(' ').map(String::from).collect();
    Some(words).filter(|words| words.iter().all(|word| !word.is_empty()))
}

impl File {
    pub fn new(path: String, bytes: Vec<u8>) -> Self {
        let mut file = File { path, lines: Vec::new(), runs: 0, wrong: None };
        file.wrong = file.read(bytes).err();
        file
    }

    fn read(&mut self, bytes: Vec<u8>) -> Result<(), (usize, String)> {
        let text = String::from_utf8(bytes)
            .map_err(|_| (0, "not UTF-8".to_string()))?;
        if text.contains('\0') {
            return Err((0, "a zero byte".into()));
        }
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let at = self.lines.len();
            let (line, after) = rest
                .split_once('\n')
                .ok_or((at, "no line end: truncated".to_string()))?;
            let line = words(line).ok_or_else(|| {
                (at, "not words with one space between".to_string())
            })?;
            self.lines.push(line);
            rest = after;
        }
        self.check_form()
    }

    fn check_form(&mut self) -> Result<(), (usize, String)> {
        let (mut names, mut ended): (Vec<&str>, _) = (Vec::new(), false);
        for (at, line) in self.lines.iter().enumerate() {
            let first = match line.first() {
                Some(first) => first.as_str(),
                None => continue,
            };
            if ended {
                return Err((at, "a line after `end`".into()));
            } else if first == "case" {
                let stores = stores_of(line)
                    .ok_or((at, "case NAME [stores=...]".to_string()))?;
                if names.contains(&line[1].as_str()) {
                    return Err((at, "a case of this name before".into()));
                }
                names.push(&line[1]);
                self.runs += stores.len();
            } else if first == "end" {
                let count = match &line[1..] {
                    [count] => number(count, u32::MAX.into()),
                    _ => None,
                };
                let count = count.ok_or((at, "end COUNT".to_string()))?;
                if count != names.len() as u64 {
                    return Err((at, "not the number of cases above".into()));
                }
                ended = true;
            } else if names.is_empty() {
                return Err((at, "a line before any case".into()));
            }
        }
        let last = self.lines.len().saturating_sub(1);
        if !ended {
            return Err((last, "no `end`: truncated".into()));
        }
        if names.is_empty() {
            return Err((last, "no cases".into()));
        }
        Ok(())
    }
}
