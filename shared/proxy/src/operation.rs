//! Owns the table of operations: which requests are held against the schema, and which go on as they are.
//!
//! | operations | treatment |
//! |---|---|
//! | reads and writes of items | resolved: every attribute that the request names is looked up |
//! | statements of PartiQL | resolved: every attribute that a statement names is looked up |
//! | tables, backups, streams, tags and all else | passed on: they name no attribute of an item |
//! | operations that are not in this table | passed on as well |
//!
//! An unknown operation is passed on because the answer to it is the upstream's: one that DynamoDB got
//! after this was written is as good through the proxy as without it, and a mistyped one is refused as it
//! always was. In AWS the proxy's role bounds what can be asked for at all.

/// How the protocol's requests say what they want, before the operation's name.
pub const TARGET_PREFIX: &str = "DynamoDB_20120810.";

/// An operation whose requests are resolved.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Operation {
    /// One item is read.
    GetItem,
    /// One item is put.
    PutItem,
    /// One item is updated.
    UpdateItem,
    /// One item is deleted.
    DeleteItem,
    /// Items of one partition are read.
    Query,
    /// Items of a table are read.
    Scan,
    /// Items are read by their keys.
    BatchGetItem,
    /// Items are put and deleted.
    BatchWriteItem,
    /// Items are read at one time.
    TransactGetItems,
    /// Items are written, all or none.
    TransactWriteItems,
    /// A statement is executed.
    ExecuteStatement,
    /// Statements are executed, each for itself.
    BatchExecuteStatement,
    /// Statements are executed, all or none.
    ExecuteTransaction,
}

impl Operation {
    /// All with their names in the protocol.
    pub const ALL: [(Self, &'static str); 13] = [
        (Self::GetItem, "GetItem"),
        (Self::PutItem, "PutItem"),
        (Self::UpdateItem, "UpdateItem"),
        (Self::DeleteItem, "DeleteItem"),
        (Self::Query, "Query"),
        (Self::Scan, "Scan"),
        (Self::BatchGetItem, "BatchGetItem"),
        (Self::BatchWriteItem, "BatchWriteItem"),
        (Self::TransactGetItems, "TransactGetItems"),
        (Self::TransactWriteItems, "TransactWriteItems"),
        (Self::ExecuteStatement, "ExecuteStatement"),
        (Self::BatchExecuteStatement, "BatchExecuteStatement"),
        (Self::ExecuteTransaction, "ExecuteTransaction"),
    ];

    /// The operation that a request's `X-Amz-Target` names; `None` where it is none that is resolved.
    #[must_use]
    pub fn of_target(target: &str) -> Option<Self> {
        let name = target.strip_prefix(TARGET_PREFIX)?;
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(operation, _)| *operation)
    }

    /// Whether it is one of PartiQL.
    #[must_use]
    pub fn is_statement(self) -> bool {
        matches!(self, Self::ExecuteStatement | Self::BatchExecuteStatement | Self::ExecuteTransaction)
    }

    /// Its name in the protocol.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(one, _)| *one == self).map_or("", |(_, name)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_names_an_operation_or_something_that_passes() {
        for (operation, name) in Operation::ALL {
            assert_eq!(Operation::of_target(&format!("DynamoDB_20120810.{name}")), Some(operation));
            assert_eq!(operation.name(), name);
        }
        for other in
            ["", "GetItem", "DynamoDB_20120810.", "DynamoDB_20120810.getitem", "DynamoDB_20120810.ListTables"]
        {
            assert_eq!(Operation::of_target(other), None, "{other}");
        }
    }
}
