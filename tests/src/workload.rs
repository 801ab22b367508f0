//! The records that benchmarks count: what Kinesis Data Streams for DynamoDB sends of a table of
//! orders, in events as Lambda hands them over.
//!
//! Twelve attributes in five shapes, three inserts, six modifications and one removal of ten, about
//! 1.2 KB a record; every event is as large as Lambda lets one be. The same number gives the same
//! records.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fastrand::Rng;

/// Largest payload of an event, bytes
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
pub const EVENT_BYTES_MAX: usize = 6 * 1_048_576;

/// What is counted of the orders.
pub const DEFINITIONS: &str = r#"
[[count]]
name = "large_active"
table = "orders"
where = "status = 'ACTIVE' AND amount > 100"
group_by = ["country", "plan"]

[[count]]
name = "by_status"
table = "orders"
group_by = ["status"]
"#;

const COUNTRIES: usize = 22;
const PLANS: [&str; 4] = ["free", "basic", "team", "enterprise"];
const STATUSES: [&str; 5] = ["NEW", "ACTIVE", "PAUSED", "CLOSED", "RETURNED"];

/// One order as it stands.
#[derive(Clone)]
struct Order {
    id: usize,
    shape: usize,
    status: &'static str,
    amount: u32,
    country: usize,
    plan: &'static str,
    customer: usize,
    note: String,
}

impl Order {
    fn image(&self) -> String {
        let Self { id, shape, status, amount, country, plan, customer, note } = self;
        // Each shape has one attribute that the others do not.
        let own = match shape {
            0 => "\"coupon\":{\"S\":\"SPRING\"}".to_owned(),
            1 => "\"gift\":{\"BOOL\":true}".to_owned(),
            2 => format!("\"weight\":{{\"N\":\"{}.5\"}}", id % 40 + 1),
            3 => "\"labels\":{\"L\":[{\"S\":\"fragile\"},{\"S\":\"cold\"}]}".to_owned(),
            _ => "\"legacy_code\":{\"NULL\":true}".to_owned(),
        };
        format!(
            "{{\"id\":{{\"S\":\"order-{id:08}\"}},\"status\":{{\"S\":\"{status}\"}},\"amount\":{{\"N\":\"{}.{:02}\"}},\
             \"country\":{{\"S\":\"C{country:02}\"}},\"plan\":{{\"S\":\"{plan}\"}},\"customer\":{{\"S\":\"customer-{customer:06}\"}},\
             \"quantity\":{{\"N\":\"{}\"}},\"email\":{{\"S\":\"customer{customer}@example.org\"}},\
             \"created\":{{\"S\":\"2026-01-01T12:00:00Z\"}},\"note\":{{\"S\":\"{note}\"}},\
             \"address\":{{\"M\":{{\"city\":{{\"S\":\"Graz\"}},\"zip\":{{\"S\":\"8010\"}}}}}},{own}}}",
            amount / 100,
            amount % 100,
            id % 9 + 1,
        )
    }
}

fn order(random: &mut Rng, id: usize) -> Order {
    Order {
        id,
        shape: random.usize(..5),
        status: STATUSES[random.usize(..STATUSES.len())],
        amount: random.u32(100..50_000),
        country: random.usize(..COUNTRIES),
        plan: PLANS[random.usize(..PLANS.len())],
        customer: random.usize(..8_000),
        note: "x".repeat(random.usize(60..180)),
    }
}

/// The data of so many records.
#[must_use]
pub fn records(seed: u64, count: usize) -> Vec<String> {
    let mut random = Rng::with_seed(seed);
    // From an empty table on, so that no count needs what came before.
    let (mut live, mut next): (Vec<Order>, usize) = (Vec::new(), 0);
    let mut records = Vec::with_capacity(count);
    for number in 0..count {
        let (name, id, images) = match random.usize(..10) {
            0 if live.len() > 1 => {
                let gone = live.swap_remove(random.usize(..live.len()));
                ("REMOVE", gone.id, format!("\"OldImage\":{}", gone.image()))
            }
            draw if draw <= 3 || live.is_empty() => {
                let made = order(&mut random, next);
                next += 1;
                live.push(made.clone());
                ("INSERT", made.id, format!("\"NewImage\":{}", made.image()))
            }
            _ => {
                let at = random.usize(..live.len());
                let (before, shape) = (live[at].clone(), live[at].shape);
                let after = Order { shape, customer: before.customer, ..order(&mut random, before.id) };
                live[at] = after.clone();
                (
                    "MODIFY",
                    before.id,
                    format!("\"NewImage\":{},\"OldImage\":{}", after.image(), before.image()),
                )
            }
        };
        records.push(format!(
            "{{\"awsRegion\":\"eu-central-1\",\"eventID\":\"b015b5f0-c095-4b50-8ad0-{number:012}\",\"eventName\":\"{name}\",\
             \"userIdentity\":null,\"recordFormat\":\"application/json\",\"tableName\":\"orders\",\
             \"dynamodb\":{{\"ApproximateCreationDateTime\":{},\"Keys\":{{\"id\":{{\"S\":\"order-{id:08}\"}}}},{images},\
             \"SizeBytes\":900,\"ApproximateCreationDateTimePrecision\":\"MICROSECOND\"}},\"eventSource\":\"aws:dynamodb\"}}",
            1_700_000_000_000_000_u64 + number as u64 * 1_000_000
        ));
    }
    records
}

/// One record of an event.
fn envelope(number: usize, data: &str) -> String {
    format!(
        "{{\"kinesis\":{{\"kinesisSchemaVersion\":\"1.0\",\"partitionKey\":\"7C89FA1B0F5F40E5A5E5F3C1D0A1B2C3\",\
         \"sequenceNumber\":\"49590338271490256608559692538361571095{number:018}\",\"data\":\"{}\",\
         \"approximateArrivalTimestamp\":1700000{:03}.{:03}}},\"eventSource\":\"aws:kinesis\",\"eventVersion\":\"1.0\",\
         \"eventID\":\"shardId-000000000006:49590338271490256608559692538361571095{number:018}\",\
         \"eventName\":\"aws:kinesis:record\",\"invokeIdentityArn\":\"arn:aws:iam::123456789012:role/evercount-item-counter\",\
         \"awsRegion\":\"eu-central-1\",\"eventSourceARN\":\"arn:aws:kinesis:eu-central-1:123456789012:stream/orders-cdc\"}}",
        STANDARD.encode(data),
        number / 1_000 % 1_000,
        number % 1_000,
    )
}

/// Records as the events of one shard, numbered from `first` on.
#[must_use]
pub fn events(records: &[String], first: usize) -> Vec<String> {
    let mut events = Vec::new();
    let mut event = String::new();
    for (number, data) in records.iter().enumerate() {
        let record = envelope(first + number, data);
        if event.len() + record.len() + 3 > EVENT_BYTES_MAX {
            events.push(std::mem::take(&mut event) + "]}");
        }
        event.push_str(if event.is_empty() { "{\"Records\":[" } else { "," });
        event.push_str(&record);
    }
    if !event.is_empty() {
        events.push(event + "]}");
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_of_the_size_and_mix_they_are_said_to_be() {
        let records = records(1, 4_000);
        let bytes: usize = records.iter().map(String::len).sum();
        assert!((1_000..1_400).contains(&(bytes / records.len())), "{} bytes", bytes / records.len());
        let of = |name: &str| records.iter().filter(|record| record.contains(name)).count();
        assert!((1_000..1_400).contains(&of("INSERT")) && (200..600).contains(&of("REMOVE")));
        let events = events(&records, 1);
        assert!(events.len() > 1 && events.iter().all(|event| event.len() <= EVENT_BYTES_MAX));
        assert_eq!(events, super::events(&super::records(1, 4_000), 1));
    }
}
