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
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::time::Instant;

use super::evolution::{Plan, Release, Rewrite, Rollout};

/// The table.
pub const TABLE: &str = "orders";

/// How many clerks write at once. Each keeps to its own orders, so what one does to them depends
/// on the seed alone.
const CLERKS: u64 = 4;
/// How long a clerk rests between two things it does, at least.
const REST_MIN: Duration = Duration::from_millis(4);
/// How many times as long as a thing took the clerk rests after it, so that the counter keeps up on
/// a machine that is slow or busy, and in a build without optimizations.
const REST_FACTOR: u32 = 3;
/// Orders a clerk has before it changes any.
const ORDERS_MIN: usize = 12;
/// How long an abandoned cart lives, seconds.
const CART_LIFE: i64 = 1;

const COUNTRIES: [&str; 4] = ["DE", "FR", "JP", "US"];
const CITIES: [&str; 4] = ["Leipzig", "Nantes", "Nagoya", "Tacoma"];
const CARRIERS: [&str; 2] = ["courier", "post"];
const CHANNELS: [&str; 3] = ["app", "phone", "web"];
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

/// What every writer passes before each thing it does, so that the table can be held still.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<RwLock<()>>);

impl Gate {
    /// Waits until writing is allowed; it is for as long as the answer is held.
    pub async fn pass(&self) -> RwLockReadGuard<'_, ()> {
        self.0.read().await
    }

    /// Waits until nobody writes; nobody does for as long as the answer is held.
    pub async fn shut(&self) -> RwLockWriteGuard<'_, ()> {
        self.0.write().await
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

/// Lets the clerks work until the shop is closed.
///
/// # Errors
/// The first write that DynamoDB refuses.
pub async fn run(
    client: &Client,
    seed: u64,
    rollout: &Rollout,
    gate: &Gate,
    written: &Written,
) -> anyhow::Result<()> {
    let mut clerks = tokio::task::JoinSet::new();
    for number in 0..CLERKS {
        let mut clerk = Clerk {
            client: client.clone(),
            rng: fastrand::Rng::with_seed(seed.wrapping_mul(CLERKS).wrapping_add(number)),
            number,
            release: Release::First,
            taken: 0,
            orders: Vec::new(),
            written: written.clone(),
        };
        let (rollout, gate) = (rollout.clone(), gate.clone());
        clerks.spawn(async move {
            loop {
                let open = gate.pass().await;
                let Some(release) = rollout.of_clerk(number) else { return anyhow::Ok(()) };
                clerk.release = release;
                let began = Instant::now();
                clerk.act().await?;
                drop(open);
                tokio::time::sleep((began.elapsed() * REST_FACTOR).max(REST_MIN)).await;
            }
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
    plan: Option<Plan>,
    /// The release whose shape it has.
    release: Release,
    /// It is gone unless it is paid in time.
    is_cart: bool,
}

struct Clerk {
    client: Client,
    rng: fastrand::Rng,
    number: u64,
    /// The release the clerk works with.
    release: Release,
    taken: u64,
    orders: Vec<Order>,
    written: Written,
}

impl Clerk {
    /// One thing that happens: mostly one write, sometimes a few in a row.
    async fn act(&mut self) -> anyhow::Result<()> {
        let choice = self.rng.u32(..100);
        if self.orders.len() < ORDERS_MIN || choice < 32 {
            return self.take_order().await;
        }
        let index = self.rng.usize(..self.orders.len());
        let mut order = self.orders.swap_remove(index);
        if !self.bring_up(&mut order).await? {
            return Ok(());
        }
        let stays = match choice {
            32..74 => self.move_on(&mut order).await?,
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
            87..91 => {
                order.plan = Some(Plan::Pro);
                let plan = self.release.plan(Plan::Pro);
                self.edit(&order, "SET #name = :value", "plan", Some(plan)).await?
            }
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
        // What only some orders have comes in turns: the first schema is read off few rows, and should
        // have it, and nothing that stays away for long is taken for dropped.
        let turn = self.taken + 2 * self.number;
        let (has_coupon, is_gift, is_cart) = (turn.is_multiple_of(4), turn % 5 == 1, turn % 8 == 3);
        let id = format!("o-{}{:05}", self.number, self.taken);
        let mut item = HashMap::from([
            ("id".to_owned(), text(&id)),
            ("customer".to_owned(), text(&format!("c-{:03}", self.rng.u32(..400)))),
            (self.release.status_name().to_owned(), text("NEW")),
            ("amount".to_owned(), self.amount()),
            ("items".to_owned(), self.items()),
            ("placed_at".to_owned(), number(now())),
        ]);
        // Guests have no plan, and what is downloaded needs no address and no carrier.
        let plan =
            (self.rng.u32(..6) > 0).then(|| if self.rng.u32(..3) == 0 { Plan::Pro } else { Plan::Free });
        item.extend(plan.map(|plan| ("plan".to_owned(), self.release.plan(plan))));
        if self.rng.u32(..12) > 0 {
            item.insert("address".to_owned(), self.address());
            let carrier = text(self.rng.choice(CARRIERS).unwrap_or("post"));
            if self.release < Release::NoCarrier {
                item.insert("carrier".to_owned(), carrier);
            }
        }
        if has_coupon {
            item.insert("coupon".to_owned(), AttributeValue::Null(true));
        }
        if is_gift {
            item.insert("gift_wrap".to_owned(), AttributeValue::Bool(true));
        }
        let channel = text(self.rng.choice(CHANNELS).unwrap_or("web"));
        if self.release >= Release::Channel {
            item.insert("channel".to_owned(), channel);
        }
        if is_cart {
            item.insert("expires_at".to_owned(), number(now() / 1_000_000 + CART_LIFE));
        }
        let put = self.client.put_item().table_name(TABLE).set_item(Some(item));
        put.send().await.map_err(Error::from).with_context(|| format!("could not put order `{id}`"))?;
        self.written.note(|writes| writes.inserts += 1);
        // Most carts are abandoned.
        if !is_cart || self.rng.u32(..3) == 0 {
            self.orders.push(Order { id, status: "NEW", plan, release: self.release, is_cart });
        }
        Ok(())
    }

    /// Brings an order of an earlier release to the shape of this one. Returns whether it still
    /// exists.
    async fn bring_up(&self, order: &mut Order) -> anyhow::Result<bool> {
        let rewrite = self.release.rewrite(order.release, order.status, order.plan);
        order.release = self.release;
        match rewrite {
            Some(rewrite) => self.update(order, rewrite).await,
            None => Ok(true),
        }
    }

    /// Moves an order to its next status. Returns whether it still exists.
    async fn move_on(&mut self, order: &mut Order) -> anyhow::Result<bool> {
        let Some((usual, other)) = next_statuses(order.status) else { return Ok(true) };
        let next = if self.rng.u32(..7) == 0 { other } else { usual };
        let expression =
            if order.is_cart { "SET #name = :value REMOVE expires_at" } else { "SET #name = :value" };
        let stays = self.edit(order, expression, self.release.status_name(), Some(text(next))).await?;
        (order.status, order.is_cart) = (next, false);
        Ok(stays)
    }

    /// Changes one attribute of an order. Returns whether the order still exists.
    async fn edit(
        &self,
        order: &Order,
        expression: &str,
        name: &str,
        value: Option<AttributeValue>,
    ) -> anyhow::Result<bool> {
        let names = HashMap::from([("#name".to_owned(), name.to_owned())]);
        let values = value.map(|value| (":value".to_owned(), value)).into_iter().collect();
        self.update(order, Rewrite { expression: expression.to_owned(), names, values }).await
    }

    /// Updates an order. Returns whether the order still exists: a cart may have reached the end of
    /// its time.
    async fn update(&self, order: &Order, rewrite: Rewrite) -> anyhow::Result<bool> {
        let values = Some(rewrite.values).filter(|values| !values.is_empty());
        let call = self
            .client
            .update_item()
            .table_name(TABLE)
            .key("id", text(&order.id))
            .update_expression(rewrite.expression)
            .set_expression_attribute_names(Some(rewrite.names))
            .set_expression_attribute_values(values)
            .condition_expression("attribute_exists(id)");
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
