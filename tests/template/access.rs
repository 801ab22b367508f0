//! Rules on who may do what.

use serde_json::{Value, json};

use super::yaml::{Template, references};
use super::{Offences, Rule, texts};

/// The rules.
pub const RULES: &[Rule] = &[
    ("each function has a role of its own", own_role),
    ("no wildcards", no_wildcards),
    ("ledger and counts are written in transactions", transactions),
    ("metadata is written where a function has something to write", leading_keys),
    ("tables are never altered by a function", denied),
    ("only what fills versions reads source tables", source_tables),
    ("only the data proxy uses the tables it is in front of, and alters none", proxied_tables),
    ("who runs functions of users reads their modules, and nothing else in S3", modules),
    ("the function runner can write nothing, and the item counter alone asks it", runner),
    ("a function's URL asks who calls", signed_urls),
];

/// Every DynamoDB action that writes items.
const WRITES: [&str; 4] =
    ["dynamodb:BatchWriteItem", "dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem"];

/// A statement of a policy, with the resource that it stands in.
pub struct Statement<'a> {
    /// The resource's logical name and type.
    pub of: (&'a str, &'a str),
    /// The statement.
    pub value: Value,
}

impl Statement<'_> {
    fn allows(&self) -> bool {
        self.value["Effect"] == "Allow"
    }

    /// Its actions.
    pub fn actions(&self) -> Vec<&str> {
        texts(&self.value["Action"])
    }

    /// The logical names that its resources refer to.
    pub fn on(&self) -> Vec<String> {
        references(&self.value["Resource"])
    }

    /// The first keys of the items that it is limited to.
    pub fn leading_keys(&self) -> Vec<&str> {
        texts(&self.value["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"])
    }

    fn in_transactions(&self) -> bool {
        self.value["Condition"]["StringEquals"]["dynamodb:EnclosingOperation"] == "TransactWriteItems"
    }

    fn name(&self) -> String {
        format!("{}.{}", self.of.0, self.value["Sid"].as_str().unwrap_or("?"))
    }
}

/// All statements of a template.
pub fn statements(template: &Template) -> Vec<Statement<'_>> {
    let mut found = Vec::new();
    for (name, resource) in template.resources() {
        let (kind, properties) = (resource["Type"].as_str().unwrap(), &resource["Properties"]);
        let mut documents = Vec::new();
        for field in ["PolicyDocument", "KeyPolicy"] {
            documents.extend(properties.get(field).cloned());
        }
        for policy in properties["Policies"].as_array().into_iter().flatten() {
            documents.push(policy.get("PolicyDocument").unwrap_or(policy).clone());
        }
        for document in documents {
            // A policy of log groups is a text.
            let document = match document["Fn::Sub"].as_str() {
                Some(text) => serde_json::from_str(text).unwrap(),
                None => document,
            };
            for value in document["Statement"].as_array().into_iter().flatten() {
                found.push(Statement { of: (name, kind), value: value.clone() });
            }
        }
    }
    found
}

/// The logical name of a function's role.
pub fn role_of(function: &Value) -> Option<String> {
    references(&function["Properties"]["Role"]).into_iter().next()
}

fn own_role(template: &Template) -> Offences {
    let mut found = Vec::new();
    let mut taken = Vec::new();
    for (name, function) in template.functions() {
        if function["Properties"].get("Policies").is_some() {
            found.push(format!("{name}: a policy beside its role"));
        }
        match role_of(function) {
            None => found.push(format!("{name}: no role of the template")),
            Some(role) if taken.contains(&role) => found.push(format!("{name}: shares {role}")),
            Some(role) => taken.push(role),
        }
    }
    for (name, role) in template.of_type("AWS::IAM::Role") {
        let managed = role["Properties"]["ManagedPolicyArns"].to_string();
        if managed.contains("arn:") {
            found.push(format!("{name}: a policy that somebody else writes: {managed}"));
        }
    }
    found
}

/// The modules of functions of users, at the place that a parameter names.
const MODULES: &str = "arn:${AWS::Partition}:s3:::${Place}/modules/*";

/// Names that do not exist yet when the policy is written, and what is before them.
fn is_named_later(text: &str) -> bool {
    ["${FailedBatchesBucket.Arn}/aws/lambda/*", "/index/*", "/index/*,", MODULES].contains(&text)
}

fn no_wildcards(template: &Template) -> Offences {
    let mut found = Vec::new();
    for statement in statements(template).iter().filter(|one| one.allows()) {
        let name = statement.name();
        for action in statement.actions().into_iter().filter(|action| action.contains('*')) {
            found.push(format!("{name}: action {action}"));
        }
        for not in ["NotAction", "NotResource", "NotPrincipal"] {
            found.extend(statement.value.get(not).map(|_| format!("{name}: {not}")));
        }
        let principal = &statement.value["Principal"];
        if *principal == "*" || principal["AWS"] == "*" {
            found.push(format!("{name}: anybody"));
        }
        // In a key's own policy, `*` is the key.
        if statement.of.1 != "AWS::KMS::Key" {
            let wild = resource_texts(&statement.value["Resource"]);
            let wild = wild.into_iter().filter(|text| text.contains('*') && !is_named_later(text));
            found.extend(wild.map(|text| format!("{name}: resource {text}")));
        }
    }
    found
}

/// Every text in the resources of a statement, in whatever function it stands.
fn resource_texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(all) => all.iter().flat_map(resource_texts).collect(),
        Value::Object(fields) => fields.values().flat_map(resource_texts).collect(),
        _ => Vec::new(),
    }
}

/// A transaction carries its conditions; a write of its own could leave them out. A checkpoint that
/// advances alone is one write anyway, and a version that is gone is counted by nobody.
fn transactions(template: &Template) -> Offences {
    let is_apart = |statement: &Statement| {
        let (actions, on) = (statement.actions(), statement.on());
        on == ["CountsTable"]
            && match actions.as_slice() {
                ["dynamodb:UpdateItem"] => statement.leading_keys() == ["lane#*"],
                ["dynamodb:BatchWriteItem"] => statement.of.0 == "ShadowValidatorRole",
                _ => false,
            }
    };
    let found = statements(template).into_iter().filter(|statement| {
        let writes = statement.actions().iter().any(|action| WRITES.contains(action));
        let counts = statement.on().iter().any(|on| on == "LedgerTable" || on == "CountsTable");
        statement.allows() && writes && counts && !statement.in_transactions() && !is_apart(statement)
    });
    found.map(|statement| format!("{}: writes outside of transactions", statement.name())).collect()
}

fn leading_keys(template: &Template) -> Offences {
    let found = statements(template).into_iter().filter(|statement| {
        let writes = statement.actions().iter().any(|action| WRITES.contains(action));
        let metadata = statement.on().iter().any(|on| on == "MetadataTable");
        let keys = statement.leading_keys();
        statement.allows() && writes && metadata && (keys.is_empty() || keys.contains(&"*"))
    });
    found.map(|statement| format!("{}: writes any item", statement.name())).collect()
}

fn denied(template: &Template) -> Offences {
    const NEVER: [&str; 7] = [
        "dynamodb:DeleteTable",
        "dynamodb:PartiQLDelete",
        "dynamodb:PartiQLInsert",
        "dynamodb:PartiQLSelect",
        "dynamodb:PartiQLUpdate",
        "dynamodb:PutResourcePolicy",
        "dynamodb:UpdateTable",
    ];
    let statements = statements(template);
    let mut found = Vec::new();
    for (name, function) in template.functions() {
        let role = role_of(function).unwrap_or_default();
        let denies = |one: &&Statement| one.of.0 == role && one.value["Effect"] == "Deny";
        let denied: Vec<&Statement> = statements.iter().filter(denies).collect();
        for table in ["MetadataTable", "LedgerTable", "CountsTable"] {
            let of_table = denied.iter().filter(|one| one.on().iter().any(|on| on == table));
            let actions: Vec<&str> = of_table.flat_map(|one| one.actions()).collect();
            if let Some(missing) = NEVER.iter().find(|action| !actions.contains(action)) {
                found.push(format!("{name}: {role} is not denied {missing} on {table}"));
            }
        }
    }
    found
}

fn source_tables(template: &Template) -> Offences {
    let mut found = Vec::new();
    for statement in statements(template) {
        let reads = statement.on().iter().any(|on| on == "SourceTableArns");
        let only_reads = statement.actions().iter().all(|action| !WRITES.contains(action));
        if reads && (statement.of.0 != "ReadSourcesPolicy" || !only_reads) {
            found.push(format!("{}: reaches source tables", statement.name()));
        }
    }
    for name in ["SchemaListenerRole", "ItemCounterRole"] {
        let role = &template.0["Resources"][name]["Properties"];
        if references(&role["ManagedPolicyArns"]).iter().any(|on| on == "ReadSourcesPolicy") {
            found.push(format!("{name}: reads source tables, which its function never does"));
        }
    }
    found
}

fn proxied_tables(template: &Template) -> Offences {
    const ITEMS: [&str; 15] = [
        "dynamodb:BatchGetItem",
        "dynamodb:BatchWriteItem",
        "dynamodb:ConditionCheckItem",
        "dynamodb:DeleteItem",
        "dynamodb:DescribeTable",
        "dynamodb:DescribeTimeToLive",
        "dynamodb:GetItem",
        "dynamodb:PartiQLDelete",
        "dynamodb:PartiQLInsert",
        "dynamodb:PartiQLSelect",
        "dynamodb:PartiQLUpdate",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:Scan",
        "dynamodb:UpdateItem",
    ];
    let statements = statements(template).into_iter();
    let mut found = Vec::new();
    for statement in statements.filter(|one| one.on().iter().any(|on| on == "ProxiedTableArns")) {
        let name = statement.name();
        if statement.of.0 != "DataProxyRole" {
            found.push(format!("{name}: reaches proxied tables"));
        }
        let beyond = statement.actions().into_iter().filter(|action| !ITEMS.contains(action));
        found.extend(beyond.map(|action| format!("{name}: {action}")));
    }
    found
}

/// Who is told of the place may read modules there, and who may has no other right in it.
fn modules(template: &Template) -> Offences {
    let mut found = Vec::new();
    for statement in statements(template).iter().filter(|one| one.on().iter().any(|on| on == "FunctionStore"))
    {
        let modules = resource_texts(&statement.value["Resource"]).iter().any(|text| text == MODULES);
        if statement.of.0 != "ReadFunctionsPolicy" || statement.actions() != ["s3:GetObject"] || !modules {
            found.push(format!("{}: reaches the store of functions", statement.name()));
        }
    }
    for statement in
        statements(template).iter().filter(|one| one.on().iter().any(|on| on == "PrefetchObjectArns"))
    {
        if statement.of.0 != "PrefetchPolicy" || statement.actions() != ["s3:GetObject"] {
            found.push(format!("{}: reaches what values are fetched from", statement.name()));
        }
    }
    for (name, function) in template.functions() {
        let is_told = template.variables(function).contains_key("EVERCOUNT_FUNCTIONS");
        let role = &template.0["Resources"][role_of(function).unwrap_or_default()]["Properties"];
        let policies = references(&role["ManagedPolicyArns"]);
        if policies.iter().any(|on| on == "PrefetchPolicy") && name != "DataProxyFunction" {
            found.push(format!("{name}: reaches what values are fetched from"));
        }
        let may = policies.iter().any(|on| on == "ReadFunctionsPolicy");
        if is_told != may {
            found.push(format!("{name}: told of functions {is_told}, and may read them {may}"));
        }
    }
    found
}

/// Whoever gets out of the sandbox there finds nothing to write, and only the counter gets an answer.
fn runner(template: &Template) -> Offences {
    const MAY: [(&str, &str); 5] = [
        ("dynamodb:Query", "MetadataTable"),
        ("kms:Decrypt", "DataKey"),
        ("kms:DescribeKey", "DataKey"),
        ("logs:CreateLogStream", "FunctionRunnerLogs"),
        ("logs:PutLogEvents", "FunctionRunnerLogs"),
    ];
    let (mut found, mut asking) = (Vec::new(), Vec::new());
    for statement in statements(template).iter().filter(|one| one.allows()) {
        let (name, actions, on) = (statement.name(), statement.actions(), statement.on());
        if statement.of.0 == "FunctionRunnerRole" {
            let may = |action: &str| MAY.iter().any(|(one, of)| *one == action && on == [*of]);
            let beyond = actions.iter().filter(|action| !may(action));
            found.extend(beyond.map(|action| format!("{name}: {action} on {on:?}")));
            if on == ["MetadataTable"] && statement.leading_keys() != ["function#*"] {
                found.push(format!("{name}: reads what is no module"));
            }
        }
        let named = resource_texts(&statement.value["Resource"]);
        // A schedule's role names its function in a text.
        let names =
            |text: &String| text == "FunctionRunnerFunction.Arn" || text.ends_with("-function-runner");
        if named.iter().any(names) && actions.iter().any(|action| action.starts_with("lambda:")) {
            asking.push(statement.of.0);
        }
    }
    if asking != ["ItemCounterRole"] {
        found.push(format!("FunctionRunnerFunction: asked by {asking:?}"));
    }
    let function = &template.0["Resources"]["FunctionRunnerFunction"];
    let role = role_of(function).unwrap_or_default();
    let managed = references(&template.0["Resources"][&role]["Properties"]["ManagedPolicyArns"]).into_iter();
    let managed = managed.filter(|on| on != "ReadFunctionsPolicy" && on != "AWS::NoValue");
    found.extend(managed.map(|on| format!("{role}: has {on}")));
    if role != "FunctionRunnerRole" {
        found.push(format!("FunctionRunnerFunction: has {role}"));
    }
    for way in ["Events", "FunctionUrlConfig"] {
        found.extend(function["Properties"].get(way).map(|_| format!("FunctionRunnerFunction: has {way}")));
    }
    for (name, function) in template.functions() {
        let told = template.variables(function).get("EVERCOUNT_FUNCTION_RUNNER").cloned();
        let asks = role_of(function).is_some_and(|role| role == "ItemCounterRole");
        if told != asks.then(|| json!({"Ref": "FunctionRunnerFunction"})) {
            found.push(format!("{name}: is told that functions are run by {told:?}"));
        }
    }
    found
}

fn signed_urls(template: &Template) -> Offences {
    let mut found = Vec::new();
    for (name, function) in template.functions() {
        let url = &function["Properties"]["FunctionUrlConfig"];
        if !url.is_null() && url["AuthType"] != json!("AWS_IAM") {
            found.push(format!("{name}: its URL has the AuthType {}", url["AuthType"]));
        }
    }
    for (name, url) in template.of_type("AWS::Lambda::Url") {
        if url["Properties"]["AuthType"] != json!("AWS_IAM") {
            found.push(format!("{name}: AuthType {}", url["Properties"]["AuthType"]));
        }
    }
    found
}
