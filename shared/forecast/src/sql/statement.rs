//! Statements that define tables, from the tokens of a text.

use sqlparser::dialect::{Dialect, GenericDialect, MySqlDialect};
use sqlparser::tokenizer::{Token, Tokenizer};

/// What a statement does to tables and columns.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Statement {
    /// A table comes.
    Create { table: String, columns: Vec<(String, String)> },
    /// A table goes.
    DropTable { table: String },
    /// A table goes on under another name.
    RenameTable { table: String, to: String },
    /// A column comes, or gets a type.
    Put { table: String, column: String, typed: String },
    /// A column goes.
    Drop { table: String, column: String },
    /// A column goes on under another name, perhaps with another type.
    Rename { table: String, column: String, to: String, typed: Option<String> },
}

/// Words that begin something else than a column.
const NO_COLUMN: [&str; 14] = [
    "PRIMARY",
    "KEY",
    "UNIQUE",
    "INDEX",
    "CONSTRAINT",
    "FOREIGN",
    "CHECK",
    "FULLTEXT",
    "SPATIAL",
    "EXCLUDE",
    "LIKE",
    "PERIOD",
    "PARTITION",
    "FUNCTION",
];
/// Words that end a type.
const NO_TYPE: [&str; 20] = [
    "NOT",
    "NULL",
    "DEFAULT",
    "AUTO_INCREMENT",
    "AUTOINCREMENT",
    "PRIMARY",
    "UNIQUE",
    "COMMENT",
    "CHARACTER",
    "CHARSET",
    "COLLATE",
    "REFERENCES",
    "CHECK",
    "CONSTRAINT",
    "GENERATED",
    "AS",
    "ON",
    "KEY",
    "AFTER",
    "USING",
];

/// The statements of a text. A text that cannot be told into tokens by either dialect has none.
pub(super) fn statements(text: &str) -> Vec<Statement> {
    let tokens = |dialect: &dyn Dialect| Tokenizer::new(dialect, text).with_unescape(false).tokenize().ok();
    let Some(tokens) = tokens(&MySqlDialect {}).or_else(|| tokens(&GenericDialect {})) else {
        return Vec::new();
    };
    let tokens: Vec<Token> =
        tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_) | Token::EOF)).collect();
    let mut found = Vec::new();
    for statement in tokens.split(|token| *token == Token::SemiColon) {
        read(Cursor(statement), &mut found);
    }
    found
}

/// The tokens that are left.
#[derive(Clone, Copy)]
struct Cursor<'a>(&'a [Token]);

impl<'a> Cursor<'a> {
    /// Goes past a word, if it is next.
    fn takes(&mut self, word: &str) -> bool {
        let is = self.keyword().is_some_and(|next| next == word);
        if is {
            self.0 = self.0.get(1..).unwrap_or_default();
        }
        is
    }

    fn takes_all(&mut self, words: &[&str]) {
        for word in words {
            let _ = self.takes(word);
        }
    }

    /// The next word in capitals, unless it is quoted.
    fn keyword(&self) -> Option<String> {
        match self.0.first() {
            Some(Token::Word(word)) if word.quote_style.is_none() => Some(word.value.to_ascii_uppercase()),
            _ => None,
        }
    }

    /// A name, the last of those with dots between them.
    fn name(&mut self) -> Option<String> {
        loop {
            let name = match self.0.first()? {
                Token::Word(word) => word.value.clone(),
                Token::DoubleQuotedString(text) => text.clone(),
                _ => return None,
            };
            self.0 = self.0.get(1..).unwrap_or_default();
            match self.0.first() {
                Some(Token::Period) => self.0 = self.0.get(1..).unwrap_or_default(),
                _ => return Some(name),
            }
        }
    }

    /// What stands between parentheses that open here, and goes past them.
    fn parenthesised(&mut self) -> Option<Cursor<'a>> {
        if self.0.first() != Some(&Token::LParen) {
            return None;
        }
        let mut depth = 0_usize;
        for (at, token) in self.0.iter().enumerate() {
            match token {
                Token::LParen => depth += 1,
                Token::RParen => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                let within = self.0.get(1..at).unwrap_or_default();
                self.0 = self.0.get(at + 1..).unwrap_or_default();
                return Some(Cursor(within));
            }
        }
        // Nobody closed it: what there is.
        let within = self.0.get(1..).unwrap_or_default();
        self.0 = &[];
        Some(Cursor(within))
    }

    /// The parts between commas that are in no parentheses.
    fn items(self) -> Vec<Cursor<'a>> {
        let mut depth = 0_usize;
        let outer = |token: &Token| {
            match token {
                Token::LParen => depth += 1,
                Token::RParen => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && *token == Token::Comma
        };
        self.0.split(outer).map(Cursor).collect()
    }

    /// The type that stands here: words in capitals, and what is in parentheses behind them.
    fn typed(&mut self) -> String {
        let mut text = String::new();
        loop {
            if let Some(within) = self.parenthesised() {
                let within: String = within.0.iter().map(ToString::to_string).collect();
                text += &format!("({within})");
                continue;
            }
            match self.keyword() {
                Some(word) if !NO_TYPE.contains(&word.as_str()) => {
                    if !text.is_empty() {
                        text.push(' ');
                    }
                    text += &word;
                    self.0 = self.0.get(1..).unwrap_or_default();
                }
                _ => return text,
            }
        }
    }

    fn column(mut self) -> Option<(String, String)> {
        if self.keyword().is_some_and(|word| NO_COLUMN.contains(&word.as_str())) {
            return None;
        }
        let name = self.name()?;
        Some((name, self.typed()))
    }
}

fn read(mut at: Cursor<'_>, found: &mut Vec<Statement>) {
    if at.takes("CREATE") {
        at.takes_all(&["GLOBAL", "LOCAL", "UNLOGGED"]);
        if !at.takes("TABLE") {
            return;
        }
        at.takes_all(&["IF", "NOT", "EXISTS"]);
        let Some(table) = at.name() else { return };
        let Some(within) = at.parenthesised() else { return };
        let columns = within.items().into_iter().filter_map(Cursor::column).collect();
        found.push(Statement::Create { table, columns });
    } else if at.takes("DROP") {
        if at.takes("TABLE") {
            at.takes_all(&["IF", "EXISTS"]);
            let tables = at.items().into_iter().filter_map(|mut one| one.name());
            found.extend(tables.map(|table| Statement::DropTable { table }));
        }
    } else if at.takes("ALTER") {
        at.takes_all(&["IGNORE"]);
        if !at.takes("TABLE") {
            return;
        }
        at.takes_all(&["IF", "EXISTS", "ONLY"]);
        let Some(mut table) = at.name() else { return };
        for item in at.items() {
            for statement in alter(&table, item) {
                if let Statement::RenameTable { to, .. } = &statement {
                    let to = to.clone();
                    found.push(statement);
                    table = to;
                } else {
                    found.push(statement);
                }
            }
        }
    }
}

fn alter(table: &str, mut at: Cursor<'_>) -> Vec<Statement> {
    let table = table.to_owned();
    let put = |(column, typed)| Statement::Put { table: table.clone(), column, typed };
    if at.takes("ADD") {
        at.takes_all(&["COLUMN", "IF", "NOT", "EXISTS"]);
        return match at.parenthesised() {
            Some(within) => within.items().into_iter().filter_map(Cursor::column).map(put).collect(),
            None => at.column().map(put).into_iter().collect(),
        };
    }
    let one = if at.takes("DROP") {
        at.takes_all(&["COLUMN", "IF", "EXISTS"]);
        at.column().map(|(column, _)| Statement::Drop { table: table.clone(), column })
    } else if at.takes("MODIFY") {
        at.takes_all(&["COLUMN"]);
        at.column().map(put)
    } else if at.takes("CHANGE") {
        at.takes_all(&["COLUMN"]);
        at.name().zip(at.column()).map(|(column, (to, typed))| Statement::Rename {
            table: table.clone(),
            column,
            to,
            typed: Some(typed),
        })
    } else if at.takes("ALTER") {
        at.takes_all(&["COLUMN"]);
        let column = at.name();
        at.takes_all(&["SET", "DATA"]);
        let typed = at.takes("TYPE").then(|| at.typed());
        column.zip(typed).map(put)
    } else if at.takes("RENAME") {
        if at.takes("COLUMN") {
            let column = at.name();
            let to = at.takes("TO").then(|| at.name()).flatten();
            let rename = |(column, to)| Statement::Rename { table: table.clone(), column, to, typed: None };
            column.zip(to).map(rename)
        } else {
            at.takes_all(&["TO", "AS"]);
            at.name().map(|to| Statement::RenameTable { table: table.clone(), to })
        }
    } else {
        None
    };
    one.into_iter().collect()
}
