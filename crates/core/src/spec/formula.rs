//! Reads the text of a metric: it is split into tokens and parsed by precedence climbing. Every
//! mistake knows the bytes where it is. The first mistake ends the reading.

use super::metric::{
    EdgeMetric, Expr, Formula, Function, IndexRange, LR_SENSITIVITY, LayerTerm, Metric, Operator, RangeEnd, Rate,
    Unary, What,
};
use super::report::{Mistake, excerpt};
use super::source::Span;
use crate::axis::AxisSet;
use crate::record;

/// The most bytes of a metric, which is a line for people to read. The bound also keeps the
/// recursion of the parser from running deep.
pub const LONGEST: usize = 1000;

/// A layer, a time step or an epoch is below this number.
const MOST: i64 = 1_000_000;

const EXAMPLES: &str = "divergence_rate, mean(loss_final), max(ln(backprop_ratio))";

type Wrong = (Span, Mistake);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Token<'a> {
    Number(f64),
    Name(&'a str),
    /// One of `< > + - * / ^ ( ) [ ] ,` or `..`.
    Sign(&'static str),
    End,
}

const SIGNS: [&str; 13] = ["..", "<", ">", "+", "-", "*", "/", "^", "(", ")", "[", "]", ","];

/// Reads a metric.
///
/// # Errors
/// The first mistake, and its place in `text`.
pub fn metric(text: &str, axes: &AxisSet) -> Result<Metric, (Span, Mistake)> {
    let line = || text.split_whitespace().collect::<Vec<_>>().join(" ");
    what(text, axes).map(|what| Metric { text: line(), what })
}

/// Two formulas over columns of `runs.csv` that are compared, and the names of these columns.
pub type Comparison = ((Operator, Expr, Expr), Vec<&'static str>);

/// Reads a comparison, such as `loss_final > 0.5`.
///
/// # Errors
/// The first mistake, and its place in `text`.
pub fn comparison(text: &str, axes: &AxisSet) -> Result<Comparison, (Span, Mistake)> {
    let mut reader = Parser::new(text, axes)?;
    let root = reader.sum(0)?;
    reader.end()?;
    let all = 0..text.len();
    let Expr::Operate(operator @ (Operator::Less | Operator::Greater), left, right) = root else {
        let hint = "write a bound, for example loss_final > 0.5";
        return Err((all, Mistake::new("this compares nothing", hint)));
    };
    if !reader.formula.layers.is_empty() {
        return Err((all, Mistake::new("an event reads columns of runs.csv alone", "leave the layers out")));
    }
    if reader.formula.columns.is_empty() {
        return Err((all, Mistake::new("this reads no column", "for example loss_final > 0.5")));
    }
    Ok(((operator, *left, *right), reader.formula.columns))
}

/// Reads what stands behind `edge.` in a metric; `start` is where it begins.
fn edge(text: &str, start: usize) -> Result<What, Wrong> {
    let wrong = |mistake| Err((start..start + text.len(), mistake));
    let (name, share) = match text.strip_suffix(')').and_then(|text| text.split_once('(')) {
        Some((name, share)) => (name.trim(), Some(share)),
        None => (text, None),
    };
    let share = match share.map(|share| share.trim().parse::<f64>()) {
        None => None,
        Some(Ok(share)) => Some(share),
        Some(Err(_)) => return wrong(Mistake::new("this share is not a number", "for example edge.low(0.5)")),
    };
    match (name, share) {
        ("safe_up_to", None) => Ok(What::Edge(EdgeMetric::SafeUpTo)),
        ("dead_from", None) => Ok(What::Edge(EdgeMetric::DeadFrom)),
        ("reentrant", None) => Ok(What::Edge(EdgeMetric::Reentrant)),
        ("low", Some(share)) => Ok(What::Edge(EdgeMetric::Low(share))),
        ("high", Some(share)) => Ok(What::Edge(EdgeMetric::High(share))),
        ("low" | "high", None) => wrong(Mistake::new(
            format!("`edge.{name}` does not say of which share"),
            format!("for example edge.{name}(0.5)"),
        )),
        _ => {
            let message = format!("an edge has no metric `{}`", excerpt(text));
            wrong(Mistake::unknown(message, name, &["safe_up_to", "dead_from", "low", "high", "reentrant"]))
        }
    }
}

fn what(text: &str, axes: &AxisSet) -> Result<What, Wrong> {
    if let Some(rest) = text.trim().strip_prefix("edge.") {
        return edge(rest, text.find("edge.").unwrap_or(0) + "edge.".len());
    }
    let mut reader = Parser::new(text, axes)?;
    let (span, first) = reader.next();
    let Token::Name(name) = first else {
        let message = if text.trim().is_empty() { "this metric is empty" } else { "a metric begins with a name" };
        return Err((span, Mistake::new(message, format!("for example {EXAMPLES}"))));
    };
    if let Some(rate) = Rate::ALL.into_iter().find(|rate| rate.name() == name) {
        reader.end()?;
        return Ok(What::Rate(rate));
    }
    if name == LR_SENSITIVITY {
        reader.end()?;
        return Ok(What::LrSensitivity);
    }
    let Some(function) = Function::ALL.into_iter().find(|function| function.name() == name) else {
        return Err((span, not_a_metric(name, axes)));
    };
    reader.expect("(", "a formula in parentheses follows it, for example mean(loss_final)")?;
    let inside = reader.peek().0.start;
    reader.formula.root = reader.sum(0)?;
    let inside = inside..reader.peek().0.start;
    reader.expect(")", "the parenthesis of the function is closed here")?;
    reader.end()?;
    if reader.formula.columns.is_empty() && reader.formula.layers.is_empty() {
        return Err((inside, Mistake::new("this formula reads no column", format!("for example {EXAMPLES}"))));
    }
    Ok(What::Aggregate(function, reader.formula))
}

/// The columns that a formula may name.
fn numeric_columns(axes: &AxisSet) -> Vec<&'static str> {
    let declared = axes.declared.iter().map(|id| id.axis()).filter(|axis| axis.is_numeric()).map(|axis| axis.name);
    record::runs().into_iter().filter(|name| record::is_numeric(name)).chain(declared).collect()
}

/// What is wrong with the name at the front of a metric.
fn not_a_metric(name: &str, axes: &AxisSet) -> Mistake {
    if numeric_columns(axes).contains(&name) {
        let message = format!("`{name}` is a column, one value per trial");
        return Mistake::new(message, format!("say what to make of them, for example mean({name}) or max({name})"));
    }
    let rates = Rate::ALL.iter().map(|rate| rate.name());
    let functions = Function::ALL.iter().map(|function| function.name());
    let known: Vec<&str> = rates.chain([LR_SENSITIVITY]).chain(functions).collect();
    Mistake::unknown(format!("`{}` is neither a rate nor a function", excerpt(name)), name, &known)
}

fn tokens(text: &str) -> Result<Vec<(Span, Token<'_>)>, Wrong> {
    let (mut tokens, mut at) = (Vec::new(), 0);
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let length = |inside: fn(char) -> bool| rest.find(|c| !inside(c)).unwrap_or(rest.len());
        let (length, token) = if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        } else if first.is_ascii_digit() || first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit()) {
            let length = number(rest.as_bytes());
            let wrong = || (at..at + length, Mistake::new("this is not a number", "for example 10, 0.5 or 1e-3"));
            (length, Token::Number(rest[..length].parse().map_err(|_| wrong())?))
        } else if first.is_ascii_alphabetic() || first == '_' {
            let length = length(|c| c.is_ascii_alphanumeric() || c == '_');
            (length, Token::Name(&rest[..length]))
        } else if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            (sign.len(), Token::Sign(sign))
        } else {
            let message = format!("`{}` has no meaning in a metric", excerpt(&first.to_string()));
            let hint = "there are numbers, columns, < > + - * / ^, parentheses, ln, log10, sqrt and abs";
            return Err((at..at + first.len_utf8(), Mistake::new(message, hint)));
        };
        tokens.push((at..at + length, token));
        at += length;
    }
    Ok(tokens)
}

/// The length of the number with which `text` begins. `5..25` begins with 5.
fn number(text: &[u8]) -> usize {
    let digits = |from: usize| from + text[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let mut end = digits(0);
    if text.get(end) == Some(&b'.') && text.get(end + 1) != Some(&b'.') {
        end = digits(end + 1);
    }
    if matches!(text.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        end = if exponent > end + 1 + sign { exponent } else { end };
    }
    end
}

struct Parser<'a> {
    text: &'a str,
    /// The axes whose columns there are.
    axes: &'a AxisSet,
    tokens: Vec<(Span, Token<'a>)>,
    at: usize,
    formula: Formula,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, axes: &'a AxisSet) -> Result<Parser<'a>, Wrong> {
        if text.len() > LONGEST {
            let message = format!("this metric has {} characters", text.len());
            return Err((0..text.len(), Mistake::new(message, format!("it may have {LONGEST}"))));
        }
        let formula = Formula { root: Expr::Number(0.0), columns: Vec::new(), layers: Vec::new() };
        Ok(Parser { text, axes, tokens: tokens(text)?, at: 0, formula })
    }

    fn peek(&self) -> (Span, Token<'a>) {
        let end = self.text.len();
        self.tokens.get(self.at).cloned().unwrap_or((end..end, Token::End))
    }

    fn next(&mut self) -> (Span, Token<'a>) {
        let next = self.peek();
        self.at += 1;
        next
    }

    fn takes(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek().1, Token::Sign(s) if s == sign);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str, hint: &str) -> Result<(), Wrong> {
        if self.takes(sign) {
            return Ok(());
        }
        Err((self.peek().0, Mistake::new(format!("there is no `{sign}` here"), hint)))
    }

    fn end(&self) -> Result<(), Wrong> {
        match self.peek() {
            (_, Token::End) => Ok(()),
            (span, Token::Number(_) | Token::Name(_) | Token::Sign(_)) => {
                let hint = "a metric is a rate, or one function of a formula: arithmetic goes inside, mean(2 * lr)";
                Err((span.start..self.text.len(), Mistake::new("the metric is over before this", hint)))
            }
        }
    }

    /// Reads operators that bind at least as tightly as `least`.
    fn sum(&mut self, least: u8) -> Result<Expr, Wrong> {
        let mut left = self.atom()?;
        while let (_, Token::Sign(sign)) = self.peek() {
            // How tightly the operator binds, and how tightly what stands to its right must bind.
            let (operator, tight, right) = match sign {
                "<" => (Operator::Less, 0, 1),
                ">" => (Operator::Greater, 0, 1),
                "+" => (Operator::Add, 1, 2),
                "-" => (Operator::Subtract, 1, 2),
                "*" => (Operator::Multiply, 3, 4),
                "/" => (Operator::Divide, 3, 4),
                "^" => (Operator::Power, 7, 6),
                _ => break,
            };
            if tight < least {
                break;
            }
            self.at += 1;
            left = Expr::Operate(operator, Box::new(left), Box::new(self.sum(right)?));
            if let (0, (span, Token::Sign("<" | ">"))) = (tight, self.peek()) {
                let hint = "write (a < b) * (b < c) for both";
                return Err((span, Mistake::new("one comparison follows another", hint)));
            }
        }
        Ok(left)
    }

    fn atom(&mut self) -> Result<Expr, Wrong> {
        let (span, token) = self.next();
        match token {
            Token::Number(x) => Ok(Expr::Number(x)),
            Token::Name(name) => self.named(span, name),
            Token::Sign("-") => Ok(Expr::Apply(Unary::Negate, Box::new(self.sum(5)?))),
            Token::Sign("(") => self.closed(),
            Token::Sign(_) | Token::End => Err((
                span,
                Mistake::new("a number, a column or a `(` is missing here", format!("for example {EXAMPLES}")),
            )),
        }
    }

    fn closed(&mut self) -> Result<Expr, Wrong> {
        let inner = self.sum(0)?;
        self.expect(")", "each `(` has its `)`")?;
        Ok(inner)
    }

    fn named(&mut self, span: Span, name: &str) -> Result<Expr, Wrong> {
        if let Some((_, unary)) = Unary::NAMED.into_iter().find(|(known, _)| *known == name) {
            self.expect("(", "its argument stands in parentheses, for example ln(loss_final)")?;
            return Ok(Expr::Apply(unary, Box::new(self.closed()?)));
        }
        if let Some(column) = LayerTerm::columns().find(|column| *column == name) {
            self.expect("[", &format!("it is a column of layers.csv: say which layers, {name}[1] or {name}[2..last]"))?;
            let (layers, from) = (self.layers(column)?, span.start);
            return self.checked(layers, from);
        }
        let column = record::runs_of(self.axes).into_iter().find(|column| *column == name);
        match column {
            Some(column) if numeric_columns(self.axes).contains(&column) => {
                let columns = &mut self.formula.columns;
                let at = columns.iter().position(|known| *known == column).unwrap_or(columns.len());
                if at == columns.len() {
                    columns.push(column);
                }
                Ok(Expr::Column(at))
            }
            Some(column) => {
                let hint = "a formula takes numbers; choose trials by text with `where` and `by`";
                Err((span, Mistake::new(format!("the column `{column}` does not hold numbers"), hint)))
            }
            None => {
                let mut known = numeric_columns(self.axes);
                known.extend(LayerTerm::columns());
                known.extend(Unary::NAMED.map(|(name, _)| name));
                Err((span, Mistake::unknown(format!("there is no column `{}`", excerpt(name)), name, &known)))
            }
        }
    }

    /// Reads what stands between the brackets, and the closing bracket.
    fn layers(&mut self, column: &'static str) -> Result<LayerTerm, Wrong> {
        let mut layers = LayerTerm { column, layers: self.reach(true)?, times: None, epoch: 0 };
        let mut epoch = None;
        while self.takes(",") {
            let (span, key) = self.next();
            match key {
                Token::Name("time") if layers.times.is_none() => layers.times = Some(self.reach(false)?),
                Token::Name("epoch") if epoch.is_none() => epoch = Some(self.integer(0)?),
                Token::Name("time" | "epoch") => {
                    return Err((span, Mistake::new("this stands twice", "keep one of them")));
                }
                Token::Name(_) | Token::Number(_) | Token::Sign(_) | Token::End => {
                    let hint = "for example [5], [2..last], [1, time 3] or [5, epoch 10]";
                    return Err((span, Mistake::new("neither `time` nor `epoch` stands here", hint)));
                }
            }
        }
        layers.epoch = epoch.unwrap_or(0) as u64;
        self.expect("]", "for example [5], [2..last], [1, time 3] or [5, epoch 10]")?;
        Ok(layers)
    }

    fn reach(&mut self, of_layers: bool) -> Result<IndexRange, Wrong> {
        let start = self.peek().0.start;
        let from = self.reach_end(of_layers)?;
        let to = if self.takes("..") { self.reach_end(of_layers)? } else { from };
        if from.from_last == to.from_last && from.number > to.number {
            let end = self.tokens[self.at - 1].0.end;
            return Err((start..end, Mistake::new("this range is empty", "the smaller end comes first")));
        }
        Ok(IndexRange { from, to })
    }

    fn reach_end(&mut self, of_layers: bool) -> Result<RangeEnd, Wrong> {
        match self.peek().1 {
            Token::Name("last") => {
                self.at += 1;
                let back = if self.takes("-") { self.integer(0)? } else { 0 };
                Ok(RangeEnd { number: -back, from_last: true })
            }
            Token::Name("output") if of_layers => {
                self.at += 1;
                Ok(RangeEnd { number: 1, from_last: true })
            }
            Token::Name(_) | Token::Number(_) | Token::Sign(_) | Token::End => {
                Ok(RangeEnd { number: self.integer(1)?, from_last: false })
            }
        }
    }

    fn integer(&mut self, least: i64) -> Result<i64, Wrong> {
        let (span, token) = self.next();
        match token {
            Token::Number(x) if x.fract() == 0.0 && x >= least as f64 && x < MOST as f64 => Ok(x as i64),
            Token::Number(_) | Token::Name(_) | Token::Sign(_) | Token::End => {
                let hint = "layers and time steps count from 1; `last` is the last of them, `output` the output layer";
                Err((span, Mistake::new(format!("this is not an integer from {least} to {}", MOST - 1), hint)))
            }
        }
    }

    /// Keeps a term of `layers.csv` if its ranges are as long as those of the terms before it.
    fn checked(&mut self, layers: LayerTerm, start: usize) -> Result<Expr, Wrong> {
        let both = |a: Option<IndexRange>, b: Option<IndexRange>| match (a, b) {
            (Some(a), Some(b)) => a.is_single() || b.is_single() || a.as_long_as(b),
            (None, _) | (_, None) => true,
        };
        let fits = |other: &LayerTerm| both(Some(other.layers), Some(layers.layers)) && both(other.times, layers.times);
        if !self.formula.layers.iter().all(fits) {
            let span = start..self.tokens[self.at - 1].0.end;
            let hint = "ranges in one formula advance together, so they have as many layers: a[2..5] / a[1..4]";
            return Err((span, Mistake::new("this range is not as long as the one before it", hint)));
        }
        self.formula.layers.push(layers);
        Ok(Expr::Layers(self.formula.layers.len() - 1))
    }
}
