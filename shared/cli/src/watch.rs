//! `evercount watch`: a count as it goes on, with its course and its largest groups.
//!
//! At a terminal it draws until `q`, Escape or Ctrl-C; elsewhere it prints a line whenever the count moved.
//! `--once` prints one line and ends. With `--json` each line is an object of `target`, `at`, `name`,
//! `version`, `total`, `exact`, `uncertain` and `groups`, the largest ones.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use evercount_console::{Console, GroupQuery};
use evercount_local::stack::now;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Style, Stylize};
use ratatui::symbols::Marker;
use ratatui::text::Line;
use ratatui::widgets::{Axis, Bar, BarChart, BarGroup, Block, Chart, Dataset, GraphType, Paragraph};
use ratatui::{DefaultTerminal, Frame};
use serde_json::{Value, json};

use crate::args::WatchArgs;
use crate::exit::Exit;
use crate::schema::text::plain;
use crate::target::{self, Opened};
use crate::{console, show};

/// Points of the course that are kept; with more, every second one goes.
const POINTS_MAX: usize = 600;
/// Cuts that the course begins with.
const CUTS: usize = 48;
/// Between two looks at the keyboard.
const KEYS: Duration = Duration::from_millis(100);

/// Runs the command.
pub async fn run(args: WatchArgs) -> anyhow::Result<Exit> {
    let opened = target::open(args.target.target).await?;
    let watched = watch(&opened, &args).await;
    opened.stack.stop().await;
    watched.map(|()| Exit::Ok)
}

async fn watch(opened: &Opened, args: &WatchArgs) -> anyhow::Result<()> {
    let console: Arc<dyn Console> = Arc::new(console::served(opened, false).await);
    let mut seen = Seen::begin(&*console, opened.target.to_string(), args).await?;
    if args.once || args.output.json || !std::io::stdout().is_terminal() {
        return told(&*console, &mut seen, args).await;
    }
    let mut terminal = ratatui::init();
    let drawn = draw_on(&mut terminal, &*console, &mut seen, args).await;
    ratatui::restore();
    drawn
}

/// What was seen of a count.
struct Seen {
    target: String,
    /// Seconds before the last look (negative), and items.
    course: Vec<(f64, f64)>,
    now: Value,
}

impl Seen {
    async fn begin(console: &dyn Console, target: String, args: &WatchArgs) -> anyhow::Result<Self> {
        let series = console.series(&args.name, CUTS).await.map_err(failed)?;
        let point = |point: &Value| {
            let at: jiff::Timestamp = point.get("at")?.as_str()?.parse().ok()?;
            Some((at.as_microsecond() as f64 / 1e6, point.get("total")?.as_f64()?))
        };
        let series = serde_json::to_value(&series)?;
        let points = series.get("points").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut seen = Self { target, course: points.iter().filter_map(point).collect(), now: Value::Null };
        seen.look(console, args).await?;
        Ok(seen)
    }

    /// Looks again; whether the count moved.
    async fn look(&mut self, console: &dyn Console, args: &WatchArgs) -> anyhow::Result<bool> {
        let query = GroupQuery { limit: Some(args.groups), ..GroupQuery::default() };
        let count = serde_json::to_value(console.count(&args.name, query).await.map_err(failed)?)?;
        let mut read = json!({"target": self.target, "at": show::time(now())});
        for field in ["name", "version", "total", "exact", "uncertain", "doubts", "groups", "groups_total"] {
            if let (Some(object), Some(value)) = (read.as_object_mut(), count.get(field)) {
                object.insert(field.to_owned(), value.clone());
            }
        }
        let of = |value: &Value| {
            let mut value = value.clone();
            if let Some(object) = value.as_object_mut() {
                object.remove("at");
            }
            value
        };
        let moved = of(&read) != of(&self.now);
        self.now = read;
        if let Some(total) = self.now.get("total").and_then(Value::as_f64) {
            self.course.push((now() as f64 / 1e6, total));
        }
        if self.course.len() > POINTS_MAX {
            let mut keep = false;
            self.course.retain(|_| {
                keep = !keep;
                keep
            });
        }
        Ok(moved)
    }

    fn number(&self, field: &str) -> String {
        self.now.get(field).map(ToString::to_string).unwrap_or_default()
    }

    fn headline(&self) -> String {
        let exact = match (self.now.get("exact"), self.number("uncertain")) {
            (Some(Value::Bool(true)), _) => "exact".to_owned(),
            (_, by) if by == "0" => "not exact".to_owned(),
            (_, by) => format!("not exact, ±{by}"),
        };
        let name = self.now.get("name").and_then(Value::as_str).unwrap_or_default();
        let (total, version) = (self.number("total"), self.number("version"));
        format!("{}  {total} items  ({exact}, logic version {version})", plain(name))
    }

    fn groups(&self) -> Vec<(String, u64, String)> {
        let groups = self.now.get("groups").and_then(Value::as_array).cloned().unwrap_or_default();
        let one = |group: &Value| {
            let n = group.get("n").and_then(Value::as_i64).unwrap_or_default();
            let key = group.get("key").and_then(Value::as_object).cloned().unwrap_or_default();
            let told: Vec<String> =
                key.iter().map(|(path, value)| plain(format!("{path}={value}"))).collect();
            let name = if told.is_empty() { "(absent)".to_owned() } else { told.join("  ") };
            (name, u64::try_from(n).unwrap_or(0), n.to_string())
        };
        groups.iter().map(one).collect()
    }
}

fn failed(problem: evercount_console::Problem) -> anyhow::Error {
    anyhow::anyhow!("{}; {}", problem.detail, problem.fix)
}

/// Lines, for whoever is no terminal.
async fn told(console: &dyn Console, seen: &mut Seen, args: &WatchArgs) -> anyhow::Result<()> {
    if !args.output.json {
        show::line(format!("target: {}", seen.target));
    }
    loop {
        if args.output.json {
            show::line(&seen.now);
        } else {
            let at = seen.now.get("at").and_then(Value::as_str).unwrap_or_default();
            let groups: Vec<String> =
                seen.groups().into_iter().map(|(name, _, n)| format!("{name}: {n}")).collect();
            show::line(format!("{at}  {}  {}", seen.headline(), groups.join(", ")).trim_end());
        }
        if args.once {
            return Ok(());
        }
        loop {
            tokio::time::sleep(Duration::from_secs(args.every)).await;
            if seen.look(console, args).await? {
                break;
            }
        }
    }
}

async fn draw_on(
    terminal: &mut DefaultTerminal,
    console: &dyn Console,
    seen: &mut Seen,
    args: &WatchArgs,
) -> anyhow::Result<()> {
    loop {
        terminal.draw(|frame| draw(frame, seen))?;
        let until = tokio::time::Instant::now() + Duration::from_secs(args.every);
        while tokio::time::Instant::now() < until {
            if is_over()? {
                return Ok(());
            }
            tokio::time::sleep(KEYS).await;
        }
        seen.look(console, args).await?;
    }
}

/// Whether a key was pressed that ends it.
fn is_over() -> std::io::Result<bool> {
    while event::poll(Duration::ZERO)? {
        if let Event::Key(key) = event::read()? {
            let stop = key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c');
            if stop || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// A style, or none where somebody wants no colours (<https://no-color.org>).
fn coloured(style: Style) -> Style {
    if std::env::var_os("NO_COLOR").is_some_and(|set| !set.is_empty()) { Style::new() } else { style }
}

fn draw(frame: &mut Frame<'_>, seen: &Seen) {
    let [head, course, groups, foot] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Min(6),
        Constraint::Percentage(45),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let lines = vec![Line::from(seen.headline()).bold(), Line::from(format!("target: {}", seen.target))];
    frame.render_widget(Paragraph::new(lines), head);
    let (from, to) =
        (seen.course.first().map_or(0.0, |one| one.0), seen.course.last().map_or(1.0, |one| one.0));
    let low = seen.course.iter().map(|one| one.1).fold(f64::INFINITY, f64::min).min(f64::MAX);
    let high = seen.course.iter().map(|one| one.1).fold(f64::NEG_INFINITY, f64::max).max(low);
    let line = Dataset::default()
        .marker(Marker::Braille)
        .graph_type(GraphType::Line)
        .style(coloured(Style::new().cyan()))
        .data(&seen.course);
    let time = |seconds: f64| {
        #[expect(clippy::cast_possible_truncation, reason = "a time of a clock")]
        let at = (seconds * 1e6) as i64;
        show::time(at).get(11..19).unwrap_or_default().to_owned()
    };
    let chart = Chart::new(vec![line])
        .block(Block::bordered().title("items over time"))
        .x_axis(Axis::default().bounds([from, to.max(from + 1.0)]).labels([time(from), time(to)]))
        .y_axis(
            Axis::default().bounds([low - 1.0, high + 1.0]).labels([format!("{low}"), format!("{high}")]),
        );
    frame.render_widget(chart, course);
    let bars: Vec<Bar<'_>> = seen
        .groups()
        .into_iter()
        .map(|(name, n, text)| Bar::default().value(n).text_value(text).label(Line::from(name)))
        .collect();
    let bars = BarChart::default()
        .block(Block::bordered().title(format!("groups, the largest of {}", seen.number("groups_total"))))
        .direction(ratatui::layout::Direction::Horizontal)
        .bar_style(coloured(Style::new().green()))
        .bar_gap(0)
        .data(BarGroup::default().bars(&bars));
    frame.render_widget(bars, groups);
    frame.render_widget(Paragraph::new(Line::from("q ends").dim()), foot);
}
