//! Patterns with `*` and `?`.

/// A pattern. `?` stands for one character, `*` for any number of them, whichever they are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Glob(Box<[Token]>);

/// A part of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Token {
    This(char),
    AnyOne,
    AnyMany,
}

impl Glob {
    /// Returns the pattern that is written so. After a backslash, `*` and `?` are plain characters. A backslash before another
    /// character is literal, because names use it to write a dot inside a label.
    pub fn new(text: &str) -> Self {
        let mut rest = text.chars().peekable();
        let tokens = std::iter::from_fn(|| {
            Some(match rest.next()? {
                '*' => Token::AnyMany,
                '?' => Token::AnyOne,
                '\\' => Token::This(rest.next_if(|next| matches!(next, '*' | '?')).unwrap_or('\\')),
                other => Token::This(other),
            })
        });
        Self(tokens.collect())
    }

    /// True if the pattern has neither `*` nor `?`, so that it matches one text.
    pub fn is_literal(&self) -> bool {
        self.0.iter().all(|token| matches!(token, Token::This(_)))
    }

    /// Returns the one text that the pattern matches; `None` for a pattern with `*` or `?`.
    pub fn literal(&self) -> Option<String> {
        let character = |token: &Token| match token {
            Token::This(character) => Some(*character),
            Token::AnyOne | Token::AnyMany => None,
        };
        self.0.iter().map(character).collect()
    }

    /// True if the pattern matches the whole text. After a mismatch the last `*` takes one character more, so there are at
    /// most (length of pattern) times (length of text) steps.
    pub fn matches(&self, text: &str) -> bool {
        let (mut at, mut rest) = (0, text.chars());
        let mut last_many = None;
        loop {
            let before = rest.clone();
            match (self.0.get(at), rest.next()) {
                (None, None) => return true,
                (Some(Token::AnyMany), _) => {
                    at += 1;
                    rest = before.clone();
                    last_many = Some((at, before));
                }
                (Some(Token::AnyOne), Some(_)) => at += 1,
                (Some(Token::This(wanted)), Some(found)) if *wanted == found => at += 1,
                _ => {
                    let Some((behind, text)) = &mut last_many else { return false };
                    if text.next().is_none() {
                        return false;
                    }
                    (at, rest) = (*behind, text.clone());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_patterns_without_signs_are_literal() {
        assert_eq!(Glob::new(r"a\*\.b").literal().as_deref(), Some(r"a*\.b"));
        assert!(Glob::new("a*").literal().is_none() && Glob::new("?").literal().is_none());
    }

    #[test]
    fn any_character_is_any() {
        assert!(Glob::new("*/iad").matches("geoip/web/iad") && !Glob::new("geoip/*/fra").matches("geoip/web/iad"));
        assert!(Glob::new("192.0.2.?").matches("192.0.2.1") && !Glob::new("192.0.2.?").matches("192.0.2.10"));
    }

    proptest! {
        #[test]
        fn globs_match_as_regular_expressions_do(glob in "[ab*?]{0,8}", text in "[ab]{0,8}") {
            let regex = glob.replace('*', ".*").replace('?', ".");
            let regex = regex::Regex::new(&format!("^{regex}$")).unwrap();
            prop_assert_eq!(Glob::new(&glob).matches(&text), regex.is_match(&text));
        }
    }
}
