//! Decides what happens to the `orders` table: clerks who take orders, move them on, change their
//! minds and delete some, and a time to live that removes abandoned carts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
    TimeToLiveSpecification,
};
use aws_sdk_dynamodb::{Client, Error};
use evercount_local::stack::now;
use tokio::time::Instant;

/// The table.
pub const TABLE: &str = "orders";

/// How many clerks write at once. Each keeps to its own orders, so what one does to them depends
/// on the seed alone.
const CLERKS: u64 = 4;
/// How long a clerk rests between two things it does: with this the counter keeps up in a build
/// without optimizations.
const REST: Duration = Duration::from_millis(4);
/// Orders a clerk has before it changes any.
const ORDERS_MIN: usize = 12;
/// How long an abandoned cart lives, seconds.
const CART_LIFE: i64 = 1;

const COUNTRIES: [&str; 4] = ["DE", "FR", "JP", "US"];
const CITIES: [&str; 4] = ["Leipzig", "Nantes", "Nagoya", "Tacoma"];
const GOODS: [&str; 5] = ["kettle", "teapot", "cup", "strainer", "tin"];

/// Writes that succeeded, by kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Writes {
    /// Orders put.
    pub inserts: u64,
    /// Orders changed.
    pub updates: u64,
    /// Orders deleted.
    pub deletes: u64,
    /// Orders removed by their time to live.
    pub expired: u64,
}

impl Writes {
    /// All of them.
    #[must_use]
    pub fn total(self) -> u64 {
        self.inserts + self.updates + self.deletes + self.expired
    }
}

/// Writes, counted as they happen.
#[derive(Clone, Debug, Default)]
pub struct Written(Arc<Mutex<Writes>>);

impl Written {
    /// The writes so far.
    #[must_use]
    pub fn so_far(&self) -> Writes {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts writes.
    pub fn note(&self, change: impl FnOnce(&mut Writes)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Creates the table with its time to live.
///
/// # Errors
/// What DynamoDB says.
pub async fn create_table(client: &Client) -> anyhow::Result<()> {
    let id =
        AttributeDefinition::builder().attribute_name("id").attribute_type(ScalarAttributeType::S).build()?;
    let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash).build()?;
    let created = client
        .create_table()
        .table_name(TABLE)
        .attribute_definitions(id)
        .key_schema(key)
        .billing_mode(BillingMode::PayPerRequest);
    created.send().await.map_err(Error::from).context("could not create table `orders`")?;
    let ttl = TimeToLiveSpecification::builder().enabled(true).attribute_name("expires_at").build()?;
    let lives = client.update_time_to_live().table_name(TABLE).time_to_live_specification(ttl);
    lives.send().await.map_err(Error::from).context("could not set the time to live")?;
    Ok(())
}

/// Lets the clerks work until `end`.
///
/// # Errors
/// The first write that DynamoDB refuses.
pub async fn run(client: &Client, seed: u64, end: Instant, written: &Written) -> anyhow::Result<()> {
    let mut clerks = tokio::task::JoinSet::new();
    for number in 0..CLERKS {
        let mut clerk = Clerk {
            client: client.clone(),
            rng: fastrand::Rng::with_seed(seed.wrapping_mul(CLERKS).wrapping_add(number)),
            number,
            taken: 0,
            orders: Vec::new(),
            written: written.clone(),
        };
        clerks.spawn(async move {
            while Instant::now() < end {
                clerk.act().await?;
                tokio::time::sleep(REST).await;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = clerks.join_next().await {
        ended??;
    }
    Ok(())
}

/// An order as its clerk remembers it.
struct Order {
    id: String,
    status: &'static str,
    /// It is gone unless it is paid in time.
    is_cart: bool,
}

struct Clerk {
    client: Client,
    rng: fastrand::Rng,
    number: u64,
    taken: u64,
    orders: Vec<Order>,
    written: Written,
}

impl Clerk {
    /// One thing that happens: mostly one write, sometimes a few in a row.
    async fn act(&mut self) -> anyhow::Result<()> {
        let choice = self.rng.u32(..100);
        if self.orders.len() < ORDERS_MIN || choice < 38 {
            return self.take_order().await;
        }
        let index = self.rng.usize(..self.orders.len());
        let mut order = self.orders.swap_remove(index);
        let stays = match choice {
            38..74 => self.move_on(&mut order).await?,
            // An order rushed through: changes of one item within a few milliseconds.
            74..82 => {
                let mut stays = true;
                for _ in 0..3 {
                    stays = stays && self.move_on(&mut order).await?;
                }
                stays
            }
            82..87 => {
                let address = self.address();
                self.edit(&order, "SET #name = :value", "address", Some(address)).await?
            }
            87..91 => self.edit(&order, "SET #name = :value", "plan", Some(text("pro"))).await?,
            // Wrapped and unwrapped again: the item is then exactly what it was.
            91..95 => {
                let wrapped = AttributeValue::Bool(true);
                self.edit(&order, "SET #name = :value", "gift_wrap", Some(wrapped)).await?
                    && self.edit(&order, "REMOVE #name", "gift_wrap", None).await?
            }
            _ => {
                self.delete(&order).await?;
                false
            }
        };
        // Only orders that can still change are remembered; the others stay as they are.
        if stays && next_statuses(order.status).is_some() {
            self.orders.push(order);
        }
        Ok(())
    }

    async fn take_order(&mut self) -> anyhow::Result<()> {
        self.taken += 1;
        let id = format!("o-{}{:05}", self.number, self.taken);
        let is_cart = self.rng.u32(..10) == 0;
        let mut item = HashMap::from([
            ("id".to_owned(), text(&id)),
            ("customer".to_owned(), text(&format!("c-{:03}", self.rng.u32(..400)))),
            ("status".to_owned(), text("NEW")),
            ("amount".to_owned(), self.amount()),
            ("items".to_owned(), self.items()),
            ("placed_at".to_owned(), number(now())),
        ]);
        // Guests have no plan, and what is downloaded needs no address.
        if self.rng.u32(..6) > 0 {
            item.insert("plan".to_owned(), text(if self.rng.u32(..3) == 0 { "pro" } else { "free" }));
        }
        if self.rng.u32(..12) > 0 {
            item.insert("address".to_owned(), self.address());
        }
        if self.rng.u32(..8) == 0 {
            item.insert("coupon".to_owned(), AttributeValue::Null(true));
        }
        if is_cart {
            item.insert("expires_at".to_owned(), number(now() / 1_000_000 + CART_LIFE));
        }
        let put = self.client.put_item().table_name(TABLE).set_item(Some(item));
        put.send().await.map_err(Error::from).with_context(|| format!("could not put order `{id}`"))?;
        self.written.note(|writes| writes.inserts += 1);
        // Most carts are abandoned.
        if !is_cart || self.rng.u32(..3) == 0 {
            self.orders.push(Order { id, status: "NEW", is_cart });
        }
        Ok(())
    }

    /// Moves an order to its next status. Returns whether it still exists.
    async fn move_on(&mut self, order: &mut Order) -> anyhow::Result<bool> {
        let Some((usual, other)) = next_statuses(order.status) else { return Ok(true) };
        let next = if self.rng.u32(..7) == 0 { other } else { usual };
        let expression =
            if order.is_cart { "SET #name = :value REMOVE expires_at" } else { "SET #name = :value" };
        let stays = self.edit(order, expression, "status", Some(text(next))).await?;
        (order.status, order.is_cart) = (next, false);
        Ok(stays)
    }

    /// Changes one attribute of an order. Returns whether the order still exists: a cart may have
    /// reached the end of its time.
    async fn edit(
        &self,
        order: &Order,
        expression: &str,
        name: &str,
        value: Option<AttributeValue>,
    ) -> anyhow::Result<bool> {
        let mut call = self
            .client
            .update_item()
            .table_name(TABLE)
            .key("id", text(&order.id))
            .update_expression(expression)
            .expression_attribute_names("#name", name)
            .condition_expression("attribute_exists(id)");
        if let Some(value) = value {
            call = call.expression_attribute_values(":value", value);
        }
        let sent = call.send().await.map_err(Error::from);
        let stays =
            still_there(sent.map(drop)).with_context(|| format!("could not update order `{}`", order.id))?;
        self.written.note(|writes| writes.updates += u64::from(stays));
        Ok(stays)
    }

    async fn delete(&self, order: &Order) -> anyhow::Result<()> {
        let call = self.client.delete_item().table_name(TABLE).key("id", text(&order.id));
        let sent = call.condition_expression("attribute_exists(id)").send().await.map_err(Error::from);
        let existed =
            still_there(sent.map(drop)).with_context(|| format!("could not delete order `{}`", order.id))?;
        self.written.note(|writes| writes.deletes += u64::from(existed));
        Ok(())
    }

    fn amount(&mut self) -> AttributeValue {
        AttributeValue::N(format!("{}.{:02}", self.rng.u32(5..160), self.rng.u32(..100)))
    }

    /// The ordered goods; a downloaded voucher has none.
    fn items(&mut self) -> AttributeValue {
        let lines = if self.rng.u32(..15) == 0 { 0 } else { self.rng.usize(1..4) };
        let line = |rng: &mut fastrand::Rng| {
            let sku = rng.choice(GOODS).unwrap_or("kettle");
            AttributeValue::M(HashMap::from([
                ("sku".to_owned(), text(sku)),
                ("quantity".to_owned(), number(rng.i64(1..5))),
            ]))
        };
        AttributeValue::L((0..lines).map(|_| line(&mut self.rng)).collect())
    }

    /// A nested map; some people leave out the zip code.
    fn address(&mut self) -> AttributeValue {
        let country = self.rng.usize(..COUNTRIES.len());
        let named = |names: &[&str]| text(names.get(country).copied().unwrap_or_default());
        let mut address =
            HashMap::from([("country".to_owned(), named(&COUNTRIES)), ("city".to_owned(), named(&CITIES))]);
        if self.rng.u32(..5) > 0 {
            address.insert("zip".to_owned(), text(&format!("{:05}", self.rng.u32(1_000..99_999))));
        }
        AttributeValue::M(address)
    }
}

/// The usual next status of an order, and the other one; `None` where there is none.
fn next_statuses(status: &str) -> Option<(&'static str, &'static str)> {
    match status {
        "NEW" => Some(("PAID", "CANCELLED")),
        "PAID" => Some(("SHIPPED", "CANCELLED")),
        "SHIPPED" => Some(("DELIVERED", "DELIVERED")),
        _ => None,
    }
}

/// Whether a write on the condition that its order exists has found it.
fn still_there(sent: Result<(), Error>) -> anyhow::Result<bool> {
    match sent {
        Ok(()) => Ok(true),
        Err(Error::ConditionalCheckFailedException(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}
