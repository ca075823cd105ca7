//! The part of Lua that is read: one call or value that is returned, perhaps by the first condition that holds.
//!
//! ```text
//!   ifportup(443, {'192.0.2.1', '192.0.2.2'}, {selector='all'})
//!   ;if continent('EU') then return {'192.0.2.1'} elseif country({'US', 'CA'}) then return pickrandom({...}) else ... end
//! ```

use std::iter::Peekable;
use std::vec::IntoIter;

/// Values within others, at most.
const MAX_NESTING: usize = 32;

/// A value, or the call of a function.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression {
    Text(String),
    Number(i64),
    Flag(bool),
    /// Items, each with its key if it has one.
    Table(Vec<(Option<String>, Expression)>),
    Call(String, Vec<Expression>),
}

/// What is returned: for the first condition that holds, else the last value. Conditions are calls; any of a list is
/// enough.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Program {
    pub(super) branches: Vec<(Vec<Expression>, Expression)>,
    pub(super) last: Option<Expression>,
}

impl Expression {
    /// The items of a table without keys. Another value stands for a table of one.
    pub(super) fn items(&self) -> Vec<&Self> {
        match self {
            Self::Table(items) => items.iter().map(|(_, item)| item).collect(),
            other => vec![other],
        }
    }

    /// The value of a key of a table.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let Self::Table(items) = self else { return None };
        items.iter().find(|(name, _)| name.as_deref() == Some(key)).map(|(_, value)| value)
    }

    pub(super) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(super) fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The texts of a table, or the only one. `None` if something else is among them.
    pub(super) fn texts(&self) -> Option<Vec<&str>> {
        self.items().into_iter().map(Self::text).collect()
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Number(i64),
    Sign(char),
}

/// Reads a record's code. Fails with what is not understood.
pub(super) fn read(code: &str) -> Result<Program, String> {
    let code = code.trim();
    let (is_program, code) = code.strip_prefix(';').map_or((false, code), |code| (true, code));
    let mut parser = Parser(tokens(code)?.into_iter().peekable(), 0);
    let program =
        if is_program { parser.program()? } else { Program { branches: Vec::new(), last: Some(parser.expression()?) } };
    parser.take(&Token::Sign(';'));
    match parser.0.next() {
        None => Ok(program),
        Some(token) => Err(unknown(Some(&token))),
    }
}

fn unknown(token: Option<&Token>) -> String {
    match token {
        Some(Token::Word(word)) => format!("`{word}` has no equal here"),
        Some(Token::Text(text)) => format!("'{text}' is not expected here"),
        Some(Token::Number(number)) => format!("{number} is not expected here"),
        Some(Token::Sign(sign)) => format!("`{sign}` has no equal here"),
        None => "the code ends too early".to_owned(),
    }
}

fn tokens(code: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut letters = code.chars().peekable();
    while let Some(letter) = letters.next() {
        let mut run = |first: Option<char>, holds: &dyn Fn(char) -> bool| {
            let mut text: String = first.into_iter().collect();
            while let Some(letter) = letters.next_if(|&letter| holds(letter)) {
                text.push(letter);
            }
            text
        };
        match letter {
            letter if letter.is_whitespace() => {}
            '\'' | '"' => {
                let text = run(None, &|other| other != letter);
                letters.next().ok_or("a string has no end")?;
                tokens.push(Token::Text(text));
            }
            letter if letter.is_ascii_digit() => {
                let text = run(Some(letter), &|letter| letter.is_ascii_digit());
                tokens.push(Token::Number(text.parse().map_err(|_| format!("{text} is too large"))?));
            }
            letter if letter.is_alphabetic() || letter == '_' => {
                tokens.push(Token::Word(run(Some(letter), &|letter| letter.is_alphanumeric() || letter == '_')));
            }
            letter => tokens.push(Token::Sign(letter)),
        }
    }
    Ok(tokens)
}

/// The tokens to come, and the number of values around them.
struct Parser(Peekable<IntoIter<Token>>, usize);

impl Parser {
    fn take(&mut self, token: &Token) -> bool {
        self.0.next_if_eq(token).is_some()
    }

    fn word(&mut self, word: &str) -> bool {
        self.take(&Token::Word(word.to_owned()))
    }

    fn expect(&mut self, token: &Token) -> Result<(), String> {
        if self.take(token) { Ok(()) } else { Err(unknown(self.0.peek())) }
    }

    fn program(&mut self) -> Result<Program, String> {
        let mut branches = Vec::new();
        if self.word("if") {
            loop {
                let conditions = self.conditions()?;
                branches.push((conditions, self.returned()?));
                if self.word("elseif") {
                    continue;
                }
                let last = if self.word("else") { Some(self.returned()?) } else { None };
                self.expect(&Token::Word("end".to_owned()))?;
                self.take(&Token::Sign(';'));
                // What comes after the conditions is returned if none holds.
                let after = if last.is_none() && self.0.peek().is_some() { Some(self.returned()?) } else { None };
                return Ok(Program { branches, last: last.or(after) });
            }
        }
        Ok(Program { branches, last: Some(self.returned()?) })
    }

    /// Reads calls with `or` between them, and `then`.
    fn conditions(&mut self) -> Result<Vec<Expression>, String> {
        let is_bracketed = self.take(&Token::Sign('('));
        let mut conditions = vec![self.expression()?];
        while self.word("or") {
            conditions.push(self.expression()?);
        }
        if is_bracketed {
            self.expect(&Token::Sign(')'))?;
        }
        self.expect(&Token::Word("then".to_owned()))?;
        Ok(conditions)
    }

    fn returned(&mut self) -> Result<Expression, String> {
        self.expect(&Token::Word("return".to_owned()))?;
        let expression = self.expression()?;
        self.take(&Token::Sign(';'));
        Ok(expression)
    }

    fn expression(&mut self) -> Result<Expression, String> {
        if self.1 > MAX_NESTING {
            return Err(format!("values are nested more than {MAX_NESTING} deep"));
        }
        self.1 += 1;
        let expression = self.any_expression();
        self.1 -= 1;
        expression
    }

    fn any_expression(&mut self) -> Result<Expression, String> {
        match self.0.next() {
            Some(Token::Text(text)) => Ok(Expression::Text(text)),
            Some(Token::Number(number)) => Ok(Expression::Number(number)),
            Some(Token::Word(word)) if word == "true" || word == "false" => Ok(Expression::Flag(word == "true")),
            Some(Token::Word(word)) if self.take(&Token::Sign('(')) => {
                Ok(Expression::Call(word, self.list(')')?.into_iter().map(|(_, item)| item).collect()))
            }
            Some(Token::Sign('{')) => Ok(Expression::Table(self.list('}')?)),
            other => Err(unknown(other.as_ref())),
        }
    }

    /// Reads items up to the closing bracket.
    fn list(&mut self, end: char) -> Result<Vec<(Option<String>, Expression)>, String> {
        let mut items = Vec::new();
        while !self.take(&Token::Sign(end)) {
            let key = self.key()?;
            items.push((key, self.expression()?));
            if !self.take(&Token::Sign(',')) && !self.take(&Token::Sign(';')) {
                self.expect(&Token::Sign(end))?;
                break;
            }
        }
        Ok(items)
    }

    /// Reads `name=` or `['text']=`, if there is one.
    fn key(&mut self) -> Result<Option<String>, String> {
        if self.take(&Token::Sign('[')) {
            let key = self.expression()?;
            self.expect(&Token::Sign(']'))?;
            self.expect(&Token::Sign('='))?;
            return key.text().map(|text| Some(text.to_owned())).ok_or_else(|| "a key is not a text".to_owned());
        }
        let mut ahead = self.0.clone();
        match (ahead.next(), ahead.next()) {
            (Some(Token::Word(word)), Some(Token::Sign('='))) => {
                self.0 = ahead;
                Ok(Some(word))
            }
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documented_forms_are_read() {
        for code in [
            "ifportup(443, {'192.0.2.1', '192.0.2.2'})",
            "ifurlup('https://www.lua.org/', { {'192.0.2.1'}, {'192.0.2.2'} }, {stringmatch='Programming in Lua'})",
            "ifurlextup({{['192.0.2.1']='https://example.com/',['192.0.2.2']='https://example.com/404'}})",
            "pickwrandom({ {10,'192.0.2.1'}, {100, '192.0.2.2'} })",
            ";if(continent('EU')) then return {'192.0.2.1'} else return {'192.0.2.2'} end",
            ";if continent('EU') or country({'TR','IL'}) then return 'a' elseif asnum(3320) then return 'b' end; return 'c'",
            ";return pickrandom({'192.0.2.1'});",
        ] {
            let read = read(code).unwrap_or_else(|why| panic!("{code}: {why}"));
            assert!(read.last.is_some(), "{code}: {read:?}");
        }
        let program =
            read(";if continent('EU') or country({'TR'}) then return 'a' elseif asnum(1) then return 'b' end").unwrap();
        assert_eq!((program.branches.len(), program.branches[0].0.len(), program.last), (2, 2, None));
    }

    #[test]
    fn other_code_is_refused_with_the_reason() {
        for (code, why) in [
            (";local x = 1", "`local` has no equal here"),
            (";if a() and b() then return 'x' end", "`and` has no equal here"),
            ("pickrandom({'a'", "the code ends too early"),
            ("tostring(1) .. 'x'", "`.` has no equal here"),
            ("'x", "a string has no end"),
        ] {
            assert_eq!(read(code).unwrap_err(), why, "{code}");
        }
        assert_eq!(read(&"{".repeat(100_000)).unwrap_err(), "values are nested more than 32 deep");
    }
}
