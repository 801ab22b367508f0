//! Detection: which changes of a schema the rows and the statements of a subject show.
//!
//! Everything here is a function of what was gathered: the same rows in the same lanes give the
//! same changes.
//!
//! # What rows alone show
//!
//! The schema histories of five projects, 2002 to 2018, as row images only: 200 rows a version,
//! inserts and updates with their images before, values by a seeded generator. `cargo test -p
//! evercount-tests --test histories_rows -- --nocapture` prints this, with every miss by name.
//!
//! | project | adds | drops | retypes | recall % | false alarms % | retypes that change no value | retypes of (nearly) only NULL |
//! |---|---|---|---|---|---|---|---|
//! | coppermine | 43 of 43 | 21 of 21 | 1 of 1 | 100.00 | 0.00 | 7 | 0 |
//! | joomla | 253 of 254 | 136 of 137 | 68 of 68 | 99.56 | 0.22 | 351 | 1 |
//! | mediawiki | 232 of 232 | 122 of 122 | 178 of 178 | 100.00 | 0.00 | 180 | 6 |
//! | opencart | 215 of 215 | 151 of 151 | 5 of 5 | 100.00 | 0.00 | 178 | 1 |
//! | phpbb | 601 of 602 | 500 of 501 | 42 of 43 | 99.74 | 0.44 | 431 | 1 |
//! | all | 1344 of 1346 | 930 of 932 | 294 of 295 | 99.81 | 0.23 | 1147 | 9 |
//!
//! Two adds and two drops are missed because `parent_id` to `parent` and `forum_rules_bbcode_uid`
//! to `forum_desc_uid`, in one version each, are taken for renames. What changes no value is
//! counted apart: lengths and widths (`VARCHAR(40)` to `VARCHAR(80)`, `INT` to `BIGINT`), signs,
//! display widths; among `CHAR`, `VARCHAR`, `TEXT`, `ENUM` and `TIMESTAMP` (ISO text); among whole
//! numbers, decimals without a fraction, `DATE`, `DATETIME`, `TIME` and `YEAR` (numbers); among
//! `BLOB`s and binaries; between `FLOAT` and decimals with a fraction. So are columns with fewer than 20 values in a version; all nine
//! retypes of these were found all the same.
//!
//! Renames planted into the same histories, one a version beside what really changed; "by the
//! application" are those whose updates still have the old name in the image before. What is not
//! found is reported as a drop and an add, each naming the other as a candidate.
//!
//! | planted | found | precision % | recall % | recall of adds, drops and retypes beside them % |
//! |---|---|---|---|---|
//! | by the database | 1080 of 1589 | 99.8 | 68.0 | 99.81 |
//! | by the application | 1314 of 1589 | 100.0 | 82.7 | 99.65 |

pub mod declared;
pub mod records;
mod rename;
