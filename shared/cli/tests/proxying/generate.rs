//! Owns the requests of the differential run: of every operation, valid and not.

use evercount_proxy::operation::Operation;
use serde_json::{Value, json};

/// The tables: one without a sort key, one with.
pub const TABLES: [&str; 2] = ["plain", "sorted"];

/// Every attribute that a request names.
pub const COLUMNS: [&str; 8] = ["id", "at", "state", "amount", "tags", "address", "lines", "note"];

/// A request.
pub struct Made {
    pub operation: String,
    pub target: Option<String>,
    pub body: String,
}

pub struct Generator(fastrand::Rng);

impl Generator {
    pub fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// What makes the tables.
    pub fn tables(&self) -> Vec<Made> {
        let table = |name: &str, sorted: bool| {
            let mut attributes = vec![json!({"AttributeName": "id", "AttributeType": "S"})];
            let mut keys = vec![json!({"AttributeName": "id", "KeyType": "HASH"})];
            if sorted {
                attributes.push(json!({"AttributeName": "at", "AttributeType": "N"}));
                keys.push(json!({"AttributeName": "at", "KeyType": "RANGE"}));
            }
            made(
                "CreateTable",
                &json!({"TableName": name, "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": attributes, "KeySchema": keys}),
            )
        };
        vec![table(TABLES[0], false), table(TABLES[1], true)]
    }

    /// The next request.
    pub fn next(&mut self) -> Made {
        if self.0.u8(..20) == 0 {
            return self.other();
        }
        let (operation, name) = Operation::ALL[self.0.usize(..Operation::ALL.len())];
        let mut body = self.body(operation);
        if self.0.u8(..5) == 0 {
            self.spoil(&mut body);
        }
        made(name, &body)
    }

    /// What is not resolved, or is no request at all.
    fn other(&mut self) -> Made {
        let table = self.table();
        match self.0.u8(..8) {
            0 => made("ListTables", &json!({})),
            1 => made("DescribeTable", &json!({"TableName": table})),
            2 => made("DescribeTable", &json!({"TableName": "nothing"})),
            3 => made("DescribeTimeToLive", &json!({"TableName": table})),
            4 => made("PutItems", &json!({"TableName": table})),
            5 => Made { body: "{\"TableName\":".to_owned(), ..made("GetItem", &json!({})) },
            6 => Made { target: None, ..made("(none)", &json!({})) },
            _ => Made { body: String::new(), ..made("Query", &json!({})) },
        }
    }

    fn table(&mut self) -> &'static str {
        TABLES[self.0.usize(..2)]
    }

    fn key(&mut self, table: &str) -> Value {
        let mut key = json!({"id": {"S": format!("k{}", self.0.u8(..8))}});
        if table == TABLES[1] {
            key["at"] = json!({"N": self.0.u8(..4).to_string()});
        }
        key
    }

    fn value(&mut self) -> Value {
        match self.0.u8(..8) {
            0 => json!({"S": "NEW"}),
            1 => json!({"S": "PAID ł \" \u{1}"}),
            2 => json!({"N": self.0.i32(-5..5).to_string()}),
            3 => json!({"BOOL": self.0.bool()}),
            4 => json!({"NULL": true}),
            5 => json!({"SS": ["a", "b"]}),
            6 => json!({"M": {"city": {"S": "Oslo"}}}),
            _ => json!({"L": [{"N": "1"}, {"B": "AP8="}]}),
        }
    }

    fn item(&mut self, table: &str) -> Value {
        let mut item = self.key(table);
        for column in &COLUMNS[2..] {
            if self.0.bool() {
                item[*column] = self.value();
            }
        }
        item
    }

    fn condition(&mut self) -> &'static str {
        [
            "attribute_exists(id)",
            "attribute_not_exists(id)",
            "#s = :v",
            "amount > :v OR NOT contains(note, :v)",
            "size(note) <> :v",
            "address.city = :v AND",
            "#missing = :v",
        ][self.0.usize(..7)]
    }

    fn conditional(&mut self, body: &mut Value, parameter: &str) {
        if self.0.bool() {
            return;
        }
        let condition = self.condition();
        body[parameter] = json!(condition);
        if condition.contains("#s") {
            body["ExpressionAttributeNames"]["#s"] = json!("state");
        }
        if condition.contains(":v") {
            body["ExpressionAttributeValues"][":v"] = self.value();
        }
    }

    fn updating(&mut self, body: &mut Value) {
        let (update, value) = match self.0.u8(..6) {
            0 => ("SET amount = if_not_exists(amount, :n) + :n", Some(json!({"N": "1"}))),
            1 => ("SET note = :n REMOVE tags", Some(self.value())),
            2 => ("REMOVE lines[0], address.city", None),
            3 => ("ADD amount :n", Some(json!({"N": "2"}))),
            4 => ("DELETE tags :n", Some(json!({"SS": ["a"]}))),
            _ => ("SET id = :n", Some(json!({"S": "x"}))),
        };
        body["UpdateExpression"] = json!(update);
        if let Some(value) = value {
            body["ExpressionAttributeValues"][":n"] = value;
        }
    }

    fn write(&mut self, operation: Operation) -> Value {
        let table = self.table();
        let mut body = json!({"TableName": table});
        if operation == Operation::PutItem {
            body["Item"] = self.item(table);
        } else {
            body["Key"] = self.key(table);
        }
        if operation == Operation::UpdateItem {
            self.updating(&mut body);
        }
        self.conditional(&mut body, "ConditionExpression");
        body
    }

    fn statement(&mut self) -> Value {
        let (table, key) = (self.table(), self.0.u8(..8));
        let statement = match self.0.u8(..6) {
            0 => format!("SELECT * FROM \"{table}\" WHERE id = 'k{key}'"),
            1 => format!("SELECT state, amount FROM {table} WHERE id = 'k{key}' AND attribute_exists(note)"),
            2 => format!("UPDATE plain SET amount = 3 REMOVE note WHERE id = 'k{key}'"),
            3 => format!("DELETE FROM plain WHERE id = 'k{key}'"),
            4 => format!(
                "INSERT INTO plain VALUE {{'id': 'k{key}', 'state': 'NEW', 'address': {{'city': 'Oslo'}}}}"
            ),
            _ => format!("SELEKT * FROM {table}"),
        };
        json!({ "Statement": statement })
    }

    fn many(&mut self, most: usize, mut one: impl FnMut(&mut Self) -> Value) -> Vec<Value> {
        let count = self.0.usize(1..=most);
        (0..count).map(|_| one(self)).collect()
    }

    fn body(&mut self, operation: Operation) -> Value {
        match operation {
            Operation::GetItem => {
                let table = self.table();
                let mut body =
                    json!({"TableName": table, "Key": self.key(table), "ConsistentRead": self.0.bool()});
                if self.0.bool() {
                    body["ProjectionExpression"] = json!("id, #s, address.city, lines[0]");
                    body["ExpressionAttributeNames"] = json!({"#s": "state"});
                }
                body
            }
            Operation::PutItem | Operation::UpdateItem | Operation::DeleteItem => {
                let mut body = self.write(operation);
                let returned = ["NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD"][self.0.usize(..4)];
                body["ReturnValues"] = json!(returned);
                body
            }
            Operation::Query => {
                let mut body = json!({"TableName": self.table(), "KeyConditionExpression": "id = :k",
                    "ExpressionAttributeValues": {":k": {"S": format!("k{}", self.0.u8(..8))}},
                    "ScanIndexForward": self.0.bool(), "Limit": self.0.u8(1..4)});
                self.conditional(&mut body, "FilterExpression");
                body
            }
            Operation::Scan => {
                let table = self.table();
                let mut body = json!({"TableName": table, "Limit": self.0.u8(1..9)});
                if self.0.bool() {
                    body["ExclusiveStartKey"] = self.key(table);
                }
                self.conditional(&mut body, "FilterExpression");
                body
            }
            Operation::BatchGetItem => {
                let table = self.table();
                let keys = self.many(4, |one| one.key(table));
                json!({"RequestItems": {table: {"Keys": keys}}})
            }
            Operation::BatchWriteItem => {
                let table = self.table();
                let requests = self.many(4, |one| {
                    if one.0.bool() {
                        json!({"PutRequest": {"Item": one.item(table)}})
                    } else {
                        json!({"DeleteRequest": {"Key": one.key(table)}})
                    }
                });
                json!({"RequestItems": {table: requests}})
            }
            Operation::TransactGetItems => {
                let items = self.many(3, |one| {
                    let table = one.table();
                    json!({"Get": {"TableName": table, "Key": one.key(table)}})
                });
                json!({ "TransactItems": items })
            }
            Operation::TransactWriteItems => {
                let items = self.many(3, |one| match one.0.u8(..4) {
                    0 => json!({"Put": one.write(Operation::PutItem)}),
                    1 => json!({"Update": one.write(Operation::UpdateItem)}),
                    2 => json!({"Delete": one.write(Operation::DeleteItem)}),
                    _ => {
                        let table = one.table();
                        json!({"ConditionCheck": {"TableName": table, "Key": one.key(table),
                            "ConditionExpression": "attribute_exists(id)"}})
                    }
                });
                json!({ "TransactItems": items })
            }
            Operation::ExecuteStatement => self.statement(),
            Operation::BatchExecuteStatement => json!({"Statements": self.many(3, Self::statement)}),
            Operation::ExecuteTransaction => json!({"TransactStatements": self.many(2, Self::statement)}),
        }
    }

    /// Makes something wrong of a request, as a rule.
    fn spoil(&mut self, body: &mut Value) {
        let fields = body.as_object_mut().unwrap();
        let names: Vec<String> = fields.keys().cloned().collect();
        let name = &names[self.0.usize(..names.len())];
        match self.0.u8(..4) {
            0 => drop(fields.remove(name)),
            1 => drop(fields.insert(name.clone(), json!(7))),
            2 => drop(fields.insert(name.clone(), json!({}))),
            _ => {
                let text = body.to_string().replace("plain", "nothing").replace("sorted", "nothing");
                *body = serde_json::from_str(&text).unwrap();
            }
        }
    }
}

fn made(operation: &str, body: &Value) -> Made {
    Made {
        operation: operation.to_owned(),
        target: Some(format!("DynamoDB_20120810.{operation}")),
        body: body.to_string(),
    }
}
