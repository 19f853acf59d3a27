//! Envelopes of SOAP 1.1, rpc style, encoded. Reads leniently what may differ between clients
//! (prefixes, order, types, headers) and refuses what no client of ours needs.

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use roxmltree::{Document, Node, ParsingOptions};

use super::answer::{Out, Reply, Row, fault_fields};
use super::legacy::no_errors;
use super::method::{Field, Gives, Kind, Method, PAGING};
use super::refusals::Coded;
use super::wire::{Group, Value};

pub const ENVELOPE: &str = "http://schemas.xmlsoap.org/soap/envelope/";
pub const ENCODING: &str = "http://schemas.xmlsoap.org/soap/encoding/";
pub const SCHEMA: &str = "http://www.w3.org/2001/XMLSchema";
const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// The gate's own namespace: a bare word, as the API has it.
pub const GATE: &str = "ApiRefunds";

/// No call has a tenth of these.
const NODES_MOST: u32 = 1_000;
/// How deep values may be nested below the operation.
const DEPTH_MOST: usize = 4;

/// A request that is answered with a fault of SOAP itself.
#[derive(Debug)]
pub struct Fault {
    code: &'static str,
    text: String,
}

impl Fault {
    pub fn client(text: impl Into<String>) -> Fault {
        Fault { code: "Client", text: text.into() }
    }

    pub fn server(text: impl Into<String>) -> Fault {
        Fault { code: "Server", text: text.into() }
    }
}

/// The call in an envelope: `authenticate` and `params`.
pub fn read(headers: &HeaderMap, bytes: &[u8], method: Method) -> Result<Group, Fault> {
    let said = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let charset = said.to_ascii_lowercase().split_once("charset=").map(|(_, rest)| name_of(rest));
    if charset.is_some_and(|charset| !is_utf8(&charset)) {
        return Err(Fault::client("The envelope has to be UTF-8."));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Fault::client("The body is not UTF-8."))?;
    if declared_encoding(text).is_some_and(|encoding| !is_utf8(&encoding)) {
        return Err(Fault::client("The envelope has to be UTF-8."));
    }
    let options =
        ParsingOptions { nodes_limit: NODES_MOST, allow_dtd: false, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options)
        .map_err(|error| Fault::client(format!("The body is no XML that is taken: {error}.")))?;
    let operation = operation_of(&document)?;
    if operation.tag_name().name() != method.name() {
        let text = format!("The operation has to be {}.", method.name());
        return Err(Fault::client(text));
    }
    // The part has a name of its own, and some clients leave it out.
    let mut inner = elements(operation);
    let call = match (inner.next(), inner.next()) {
        (Some(part), None) if !is_field(part.tag_name().name()) => part,
        (_, _) => operation,
    };
    match value_of(call, 0)? {
        Value::Group(call) => Ok(call),
        Value::Text(_) | Value::Number(_) | Value::Flag(_) | Value::Null | Value::List => {
            Ok(Group::default())
        }
    }
}

fn is_field(name: &str) -> bool {
    matches!(name, "authenticate" | "params")
}

fn name_of(rest: &str) -> String {
    rest.trim_start_matches(['"', '\'']).chars().take_while(|c| !"\"'; ".contains(*c)).collect()
}

fn is_utf8(name: &str) -> bool {
    ["utf-8", "utf8", "us-ascii"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

fn declared_encoding(text: &str) -> Option<String> {
    let declaration = text.trim_start_matches('\u{feff}').strip_prefix("<?xml")?;
    let declaration = declaration.split("?>").next()?;
    let (_, rest) = declaration.split_once("encoding")?;
    Some(name_of(rest.trim_start().strip_prefix('=')?.trim_start()))
}

fn elements<'a, 'input>(node: Node<'a, 'input>) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children().filter(Node::is_element)
}

fn operation_of<'a, 'input>(document: &'a Document<'input>) -> Result<Node<'a, 'input>, Fault> {
    let root = document.root_element();
    if root.tag_name().name() != "Envelope" {
        return Err(Fault::client("The body is no SOAP envelope."));
    }
    if root.tag_name().namespace() != Some(ENVELOPE) {
        let text = "The envelope has to be of SOAP 1.1.".to_owned();
        return Err(Fault { code: "VersionMismatch", text });
    }
    let own = |name: &'static str| {
        elements(root).find(move |node| node.tag_name() == (ENVELOPE, name).into())
    };
    let asked = |node: Node<'_, '_>| node.attribute((ENVELOPE, "mustUnderstand")) == Some("1");
    if own("Header").is_some_and(|header| elements(header).any(asked)) {
        let text = "A header has to be understood, and none is.".to_owned();
        return Err(Fault { code: "MustUnderstand", text });
    }
    let body = own("Body").ok_or_else(|| Fault::client("The envelope has no Body."))?;
    elements(body).next().ok_or_else(|| Fault::client("The Body is empty."))
}

fn value_of(node: Node<'_, '_>, depth: usize) -> Result<Value, Fault> {
    if depth > DEPTH_MOST {
        return Err(Fault::client("The values are nested too deeply."));
    }
    if node.attribute("href").is_some() {
        return Err(Fault::client("References to values elsewhere in the Body are not taken."));
    }
    if matches!(node.attribute((INSTANCE, "nil")), Some("true" | "1")) {
        return Ok(Value::Null);
    }
    let mut group = Group::default();
    for child in elements(node) {
        let name = child.tag_name().name().to_owned();
        group
            .add(name, value_of(child, depth + 1)?)
            .map_err(|problem| Fault::client(format!("In the Body, {problem}.")))?;
    }
    if group.0.is_empty() {
        let text: String = node.children().filter_map(|child| child.text()).collect();
        return Ok(Value::Text(text));
    }
    Ok(Value::Group(group))
}

/// Text as it may stand in an element or an attribute. What XML cannot hold becomes a mark.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' => out.push(c),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
    out
}

fn envelope(body: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <SOAP-ENV:Envelope xmlns:SOAP-ENV=\"{ENVELOPE}\" xmlns:ns1=\"{GATE}\" \
         xmlns:xsd=\"{SCHEMA}\" xmlns:xsi=\"{INSTANCE}\" xmlns:SOAP-ENC=\"{ENCODING}\" \
         SOAP-ENV:encodingStyle=\"{ENCODING}\"><SOAP-ENV:Body>{body}</SOAP-ENV:Body>\
         </SOAP-ENV:Envelope>\n"
    )
}

pub fn fault(fault: &Fault) -> String {
    let (code, text) = (fault.code, escape(&fault.text));
    envelope(&format!(
        "<SOAP-ENV:Fault><faultcode>SOAP-ENV:{code}</faultcode>\
         <faultstring>{text}</faultstring></SOAP-ENV:Fault>"
    ))
}

/// The type of a field, as the WSDL has it.
pub fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Int => "xsd:int",
        Kind::Float => "xsd:float",
        Kind::Text => "xsd:string",
        Kind::Flag => "xsd:boolean",
        Kind::SourceType => "ns1:sourceTypeType",
        Kind::Details => "ns1:refundDetailsType",
    }
}

fn fields(row: &[(&'static str, Out)], known: &[Field]) -> String {
    let mut out = String::new();
    for (name, value) in row {
        let kind = known.iter().find(|(field, _)| field == name).map(|(_, kind)| *kind);
        let kind = match (kind, value) {
            // The shop's own number that is none.
            (Some(Kind::Int), Out::Source(_)) if !value.is_number() => "xsd:string",
            (Some(kind), _) => type_name(kind),
            (None, Out::Int(_)) => "xsd:int",
            (None, Out::Amount(_) | Out::Text(_) | Out::Flag(_) | Out::Source(_)) => "xsd:string",
        };
        out.push_str(&format!("<{name} xsi:type=\"{kind}\">{}</{name}>", escape(&value.text())));
    }
    out
}

fn respond(method: Method, errors: &[(&'static str, Out)], rest: &str) -> String {
    let name = method.name();
    let errors = fields(errors, &[]);
    envelope(&format!(
        "<ns1:{name}Response><{name}Response xsi:type=\"ns1:responseType\">\
         <errors xsi:type=\"ns1:errorsType\">{errors}</errors>{rest}\
         </{name}Response></ns1:{name}Response>"
    ))
}

fn list(rows: &[Row], known: &[Field]) -> String {
    let items: String = rows
        .iter()
        .map(|row| format!("<item xsi:type=\"ns1:resultType\">{}</item>", fields(row, known)))
        .collect();
    let count = rows.len();
    format!(
        "<results SOAP-ENC:arrayType=\"ns1:resultType[{count}]\" \
         xsi:type=\"ns1:ArrayOfResultType\">{items}</results>"
    )
}

pub fn answer(method: Method, reply: &Reply) -> String {
    let (Gives::Result(known) | Gives::Results(known)) = method.gives();
    let rest = match reply {
        Reply::Result(row) => {
            format!("<result xsi:type=\"ns1:resultType\">{}</result>", fields(row, known))
        }
        Reply::Results { rows, paging } => list(rows, known) + &fields(paging, PAGING),
    };
    respond(method, &no_errors(), &rest)
}

/// A fault of the gate, in an answer like any other.
pub fn refused(method: Method, fault: &Coded) -> String {
    let row = fault_fields(fault);
    let rest = match method.gives() {
        Gives::Result(_) => {
            format!("<result xsi:type=\"ns1:resultType\">{}</result>", fields(&row, &[]))
        }
        Gives::Results(_) => list(std::slice::from_ref(&row), &[]),
    };
    respond(method, &row, &rest)
}
