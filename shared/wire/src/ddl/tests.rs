//! Findings about statements.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use evercount_core::change::Clause;
use proptest::prelude::*;

use super::*;

/// Clauses as one line: `shop.orders: +a -b a>b ~a key`.
fn line(dialect: Dialect, text: &str) -> String {
    let mut line = String::new();
    for (table, clauses) in clauses(dialect, text, Some("shop")) {
        let gap = if line.is_empty() { "" } else { "; " };
        write!(line, "{gap}{table}:").unwrap();
        for clause in clauses {
            match clause {
                Clause::Create => line.push_str(" create"),
                Clause::Drop => line.push_str(" drop"),
                Clause::Truncate => line.push_str(" truncate"),
                Clause::ChangeKey => line.push_str(" key"),
                Clause::Unspecified => line.push_str(" ?"),
                Clause::RenameTable { from } => write!(line, " was {from}").unwrap(),
                Clause::AddColumn(name) => write!(line, " +{name}").unwrap(),
                Clause::DropColumn(name) => write!(line, " -{name}").unwrap(),
                Clause::ModifyColumn(name) => write!(line, " ~{name}").unwrap(),
                Clause::RenameColumn { from, to } => write!(line, " {from}>{to}").unwrap(),
            }
        }
    }
    line
}

fn check(dialect: Dialect, cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(line(dialect, text), *expected, "{text}");
    }
}

#[test]
fn the_clauses_of_mysql_are_read_in_their_order() {
    check(
        Dialect::MySql,
        &[
            (
                "ALTER TABLE t ADD a int, ADD COLUMN b int AFTER a, DROP c, DROP COLUMN d",
                "shop.t: +a +b -c -d",
            ),
            (
                "alter table `d 1`.`t` add column if not exists `a` int(11) unsigned not null default 0",
                "d 1.t: +a",
            ),
            ("ALTER TABLE t ADD (a int, b enum('x,y','(') NOT NULL, KEY k (a))", "shop.t: +a +b"),
            ("ALTER TABLE t ADD COLUMN (a decimal(10,2), b int)", "shop.t: +a +b"),
            ("ALTER TABLE t MODIFY a text NOT NULL DEFAULT '', MODIFY COLUMN b int", "shop.t: ~a ~b"),
            ("ALTER TABLE t CHANGE a b int(5), CHANGE COLUMN c c text", "shop.t: a>b ~c"),
            ("ALTER TABLE t RENAME COLUMN a TO b, RENAME INDEX i TO j", "shop.t: a>b"),
            (
                "ALTER TABLE t ALTER a SET DEFAULT 5, ALTER COLUMN b DROP DEFAULT, ALTER INDEX i INVISIBLE",
                "shop.t: ~a ~b",
            ),
            ("ALTER TABLE t ADD PRIMARY KEY (a,b), DROP PRIMARY KEY", "shop.t: key key"),
            ("ALTER TABLE t ADD id int AUTO_INCREMENT PRIMARY KEY FIRST", "shop.t: +id key"),
            ("ALTER TABLE t ADD id int KEY, ADD x int UNIQUE KEY, ADD y int UNIQUE", "shop.t: +id key +x +y"),
            (
                "ALTER TABLE t ADD CONSTRAINT PRIMARY KEY (a), ADD CONSTRAINT c PRIMARY KEY (a)",
                "shop.t: key key",
            ),
            ("ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES u (a) ON DELETE CASCADE", ""),
            (
                "ALTER TABLE t ADD INDEX (a), ADD KEY k (b), ADD UNIQUE (c), ADD FULLTEXT f (d), DROP KEY k, DROP INDEX i",
                "",
            ),
            (
                "ALTER TABLE t DROP FOREIGN KEY f, DROP CHECK c, ENGINE=InnoDB, COMMENT='ADD x', AUTO_INCREMENT 5",
                "",
            ),
            (
                "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4, ORDER BY a, ADD PARTITION (PARTITION p VALUES IN (1))",
                "",
            ),
            ("ALTER ONLINE IGNORE TABLE IF EXISTS t WAIT 5 ADD a int", "shop.t: +a"),
            (
                "ALTER TABLE t ADD `drop` int, ADD `primary` int COMMENT 'PRIMARY KEY', DROP `key`",
                "shop.t: +drop +primary -key",
            ),
            (
                "ALTER TABLE t MODIFY `a` int, -- ADD x int\n ADD b int # ADD y\n, ADD c /* ADD z */ int",
                "shop.t: ~a +b +c",
            ),
            (
                "ALTER TABLE t /*!50100 ADD COLUMN a int */, ADD b varchar(9) DEFAULT 'it\\'s, ADD c'",
                "shop.t: +a +b",
            ),
            ("ALTER TABLE \"t\" ADD \"a\" int", "shop.t: +a"),
            ("CREATE TABLE IF NOT EXISTS a LIKE b; CREATE TEMPORARY TABLE c (x int)", "shop.a: create"),
            ("CREATE OR REPLACE TABLE a (x int PRIMARY KEY)", "shop.a: drop create"),
            ("DROP TABLE IF EXISTS a, `d`.`b` RESTRICT; DROP INDEX i ON c", "shop.a: drop; d.b: drop"),
            ("TRUNCATE a; TRUNCATE TABLE d.b", "shop.a: truncate; d.b: truncate"),
            ("USE d; CREATE TABLE a (x int)", "d.a: create"),
            ("INSERT INTO t VALUES ('ALTER TABLE t ADD x int'); GRANT ALL ON t TO me", ""),
            ("CREATE DEFINER=`a`@`b` PROCEDURE p() BEGIN DROP TABLE x; END; DROP TABLE y", ""),
            ("CREATE TABLE event (a int); CREATE INDEX i ON t (a)", "shop.event: create"),
        ],
    );
}

#[test]
fn a_renamed_table_stands_under_its_new_name_with_what_it_was_called() {
    check(
        Dialect::MySql,
        &[
            ("RENAME TABLE `a` TO `b`, d.c WAIT 3 TO e.c", "shop.b: was shop.a; e.c: was d.c"),
            ("ALTER TABLE a ADD x int, RENAME TO b, DROP y", "shop.b: +x was shop.a -y"),
            ("ALTER TABLE d.a RENAME b", "d.b: was d.a"),
            ("ALTER TABLE a RENAME AS b; ALTER TABLE a RENAME = c", "shop.b: was shop.a; shop.c: was shop.a"),
            ("RENAME TABLE a TO tmp, b TO a, tmp TO b", "shop.b: was shop.a; shop.a: was shop.b"),
            ("RENAME TABLE a TO b, b TO a", ""),
            ("RENAME TABLE a TO b; ALTER TABLE b ADD x int; RENAME TABLE b TO c", "shop.c: was shop.a +x"),
        ],
    );
}

#[test]
fn the_clauses_of_everybody_else_are_read_too() {
    check(
        Dialect::Standard,
        &[
            (
                "ALTER TABLE ONLY \"My Schema\".\"t\" ALTER COLUMN a TYPE bigint USING a::bigint, ALTER b SET NOT NULL",
                "My Schema.t: ~a ~b",
            ),
            (
                "ALTER TABLE t ALTER a SET DATA TYPE text, ALTER b SET DEFAULT 'C:\\', ALTER c DROP NOT NULL",
                "shop.t: ~a ~b ~c",
            ),
            ("ALTER TABLE t ALTER a SET STATISTICS 100, ALTER b SET STORAGE MAIN, OWNER TO me", ""),
            ("ALTER TABLE t RENAME a TO b; ALTER TABLE t RENAME COLUMN c TO d", "shop.t: a>b c>d"),
            ("ALTER TABLE t RENAME TO u; ALTER TABLE t RENAME CONSTRAINT a TO b", "shop.u: was shop.t"),
            (
                "ALTER TABLE t DROP COLUMN IF EXISTS a CASCADE, ADD COLUMN b text[] DEFAULT ARRAY['x, y']",
                "shop.t: -a +b",
            ),
            (
                "ALTER TABLE [shop].[dbo].[Order Lines] ADD a int, [b c] int NOT NULL, CONSTRAINT k PRIMARY KEY (a)",
                "dbo.Order Lines: +a +b c key",
            ),
            ("ALTER TABLE t DROP COLUMN a, b, CONSTRAINT c", "shop.t: -a -b"),
            ("ALTER TABLE t ALTER COLUMN a nvarchar(40) NOT NULL", "shop.t: ~a"),
            ("ALTER TABLE T ADD (A NUMBER(4), B VARCHAR2(9 CHAR) DEFAULT 'x')", "shop.T: +A +B"),
            (
                "ALTER TABLE T MODIFY (A NUMBER(5), B NOT NULL); ALTER TABLE T DROP (A, B)",
                "shop.T: ~A ~B -A -B",
            ),
            ("ALTER TABLE t ADD key text, ADD index_no int", "shop.t: +key +index_no"),
            ("TRUNCATE TABLE ONLY a *, b CASCADE", "shop.a: truncate; shop.b: truncate"),
            ("CREATE UNLOGGED TABLE a (x int); CREATE TEMP TABLE b (x int)", "shop.a: create"),
            ("DO $$ BEGIN DROP TABLE x; END $$; DROP TABLE y", "shop.y: drop"),
        ],
    );
}

#[test]
fn a_text_that_cannot_be_read_to_its_end_tells_what_it_told_before() {
    check(
        Dialect::MySql,
        &[
            ("ALTER TABLE t ADD a int, ADD b varchar(9) DEFAULT 'unfinished", "shop.t: +a +b"),
            ("ALTER TABLE t ADD (a int, b int", "shop.t: +a +b"),
            ("ALTER TABLE t ADD a int) , ADD b int", "shop.t: +a +b"),
            ("ALTER TABLE", ""),
            ("ALTER TABLE t RENAME", ""),
            ("ALTER TABLE t CHANGE a", ""),
            ("RENAME TABLE a TO", ""),
            ("", ""),
        ],
    );
}

#[test]
fn reading_takes_time_in_proportion_to_the_text() {
    // Debug builds of a shared machine are slow; a quadratic reading would take minutes.
    for piece in ["(", ",", "ADD a int,", "CREATE ", "a.", "RENAME TABLE a TO b;", "/*", "'", "[", "((a),"] {
        for head in ["ALTER TABLE t ADD ", "", "RENAME TABLE ", "DROP TABLE "] {
            let text = format!("{head}{}", piece.repeat(TEXT_BYTES_MAX / 4 / piece.len()));
            for dialect in [Dialect::MySql, Dialect::Standard] {
                let started = Instant::now();
                let _ = clauses(dialect, &text, None);
                assert!(started.elapsed() < Duration::from_secs(10), "{head}{piece}…");
            }
        }
    }
}

proptest! {
    #[test]
    fn no_text_is_too_strange_to_be_read(text in "\\PC{0,200}", mysql in any::<bool>()) {
        let dialect = if mysql { Dialect::MySql } else { Dialect::Standard };
        let _ = clauses(dialect, &text, Some("shop"));
    }

    #[test]
    fn no_order_of_words_is_too_strange_to_be_read(
        words in proptest::collection::vec(
            prop::sample::select(vec![
                "ALTER", "TABLE", "ADD", "DROP", "COLUMN", "RENAME", "TO", "CHANGE", "MODIFY", "PRIMARY", "KEY",
                "(", ")", ",", ";", ".", "a", "`b`", "IF", "EXISTS", "NOT", "CREATE", "'x'", "[", "]", "/*", "*/",
            ]),
            0..60,
        ),
        mysql in any::<bool>(),
    ) {
        let dialect = if mysql { Dialect::MySql } else { Dialect::Standard };
        let _ = clauses(dialect, &words.join(" "), Some("shop"));
    }
}
