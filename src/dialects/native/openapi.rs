//! The reference of `/v1`, made of the table of routes and the shapes of the wire.

use std::collections::BTreeMap;

use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, OpenApiVersion, Paths,
    RefOr, Required, ResponseBuilder,
};

use super::route::{Method, Param, Route, Success};
use super::routes::{self, shape};
use crate::dialects::shared::problem;
use crate::dialects::shared::replay::KeyRule;

type Schemas = Vec<(String, RefOr<Schema>)>;

const ABOUT: &str = "One exact ledger of what may still be given back. Amounts are decimal \
strings (numbers are taken too, exactly), times are RFC 3339 in UTC, lists are newest first, \
errors are problem details (RFC 9457) with a stable `code`. A request that moves money needs an \
`Idempotency-Key`; sent again under it, it gets the same answer byte for byte. With \
`?dry_run=true` nothing is written.";

/// The document, as it is served at `/openapi.json` and kept in `docs/reference`.
pub fn document() -> String {
    let mut text = build().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

fn build() -> OpenApi {
    let mut schemas = Schemas::new();
    let mut paths = Paths::new();
    for route in routes::all() {
        let operation = operation(route, &mut schemas);
        paths.add_path_operation(route.path, vec![verb(route.method)], operation);
    }
    shape::<problem::Wire<'_>>(&mut schemas);
    shape::<super::bulk::BulkLine>(&mut schemas);
    shape::<super::bulk::BulkAnswer<'_>>(&mut schemas);
    // In order of their names, so that the document changes only where the code does.
    let schemas: BTreeMap<_, _> = schemas.into_iter().collect();
    let key = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An API key, `rfk_…`. HTTP Basic with the key as password works too."));
    let components = schemas
        .into_iter()
        .fold(ComponentsBuilder::new(), |builder, (name, schema)| builder.schema(name, schema))
        .security_scheme("api_key", SecurityScheme::Http(key.build()))
        .build();
    let info = InfoBuilder::new()
        .title("Refundry")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .build();
    OpenApiBuilder::new()
        .openapi(OpenApiVersion::Version31)
        .info(info)
        .paths(paths)
        .components(Some(components))
        .build()
}

fn verb(method: Method) -> HttpMethod {
    match method {
        Method::Get => HttpMethod::Get,
        Method::Post => HttpMethod::Post,
        Method::Patch => HttpMethod::Patch,
        Method::Delete => HttpMethod::Delete,
    }
}

fn operation(route: &'static Route, schemas: &mut Schemas) -> utoipa::openapi::path::Operation {
    let scopes: Vec<&str> = route.scopes.iter().map(|scope| scope.name()).collect();
    let tag = route.path.split('/').nth(2).unwrap_or_default();
    let mut builder = OperationBuilder::new()
        .tag(tag)
        .operation_id(Some(route.operation))
        .summary(Some(route.summary))
        .description(Some(format!("Needs a key with the scope {}.", scopes.join(" or "))))
        .security(SecurityRequirement::new("api_key", scopes));
    if route.path.contains("{id}") {
        let id = ParameterBuilder::new()
            .name("id")
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .schema(Some(text()));
        builder = builder.parameter(id);
    }
    for param in route.query {
        builder = builder.parameter(query(param));
    }
    for (name, needed, what) in headers(route) {
        let header = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Header)
            .required(if needed { Required::True } else { Required::False })
            .description(Some(what))
            .schema(Some(text()));
        builder = builder.parameter(header);
    }
    if let Some(shape) = route.body {
        let content = ContentBuilder::new().schema(Some(shape(schemas))).build();
        let body = RequestBodyBuilder::new().content("application/json", content);
        builder = builder.request_body(Some(body.build()));
    } else if route.operation == "bulk" {
        let content = ContentBuilder::new().schema(Some(text())).build();
        let body = RequestBodyBuilder::new()
            .description(Some("One BulkLine a line, up to 16 MiB."))
            .content("application/x-ndjson", content);
        builder = builder.request_body(Some(body.build()));
    }
    builder = success(builder, route.success, schemas);
    for (status, what) in failures(route) {
        builder = builder.response(status.to_string(), failure(what));
    }
    builder.build()
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::new(Type::String))
}

fn query(param: &Param) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(param.name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(param.what))
        .schema(Some(text()))
}

fn headers(route: &Route) -> Vec<(&'static str, bool, &'static str)> {
    let what = "1 to 255 visible ASCII characters; the same request under the same key gets the \
                same answer. A dry run needs none.";
    let mut headers = match route.key {
        KeyRule::Required => vec![("Idempotency-Key", true, what)],
        KeyRule::Optional => vec![("Idempotency-Key", false, what)],
        KeyRule::None | KeyRule::Refused => Vec::new(),
    };
    if route.operation == "stream_events" {
        headers.push(("Last-Event-ID", false, "The id of the last event that was received."));
    }
    headers
}

fn success(builder: OperationBuilder, success: Success, schemas: &mut Schemas) -> OperationBuilder {
    match success {
        Success::One(status, shape) => {
            let content = ContentBuilder::new().schema(Some(shape(schemas))).build();
            let response = ResponseBuilder::new()
                .description(if status == 201 { "Made." } else { "As it is now." })
                .content("application/json", content);
            builder.response(status.to_string(), response.build())
        }
        Success::List(shape) => {
            let page = ObjectBuilder::new()
                .property("data", ArrayBuilder::new().items(shape(schemas)))
                .property("has_more", boolean())
                .property(
                    "next_cursor",
                    ObjectBuilder::new()
                        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
                        .description(Some("The id to go on from, as `after`, or as `before` when the page was asked for with that.")),
                )
                .required("data")
                .required("has_more")
                .required("next_cursor");
            let content = ContentBuilder::new().schema(Some(page)).build();
            let response =
                ResponseBuilder::new().description("A page.").content("application/json", content);
            builder.response("200", response.build())
        }
        Success::Stream(kind, what) => {
            let content = ContentBuilder::new().schema(Some(text())).build();
            let response = ResponseBuilder::new().description(what).content(kind, content);
            builder.response("200", response.build())
        }
    }
}

fn boolean() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::new(Type::Boolean))
}

fn failures(route: &Route) -> Vec<(u16, &'static str)> {
    let mut all = vec![
        (400, "The request cannot be read."),
        (401, "The API key is missing or not valid."),
        (403, "The API key may not."),
        (429, "Too many requests."),
        (503, "Not now."),
    ];
    let writes = route.method != Method::Get;
    let names_a_row = route.path.contains("{id}") || route.path == "/v1/refunds" && writes;
    if names_a_row {
        all.push((404, "There is no such row, or it is another merchant's."));
    }
    if writes {
        all.push((409, "What is there forbids it now."));
        all.push((413, "The body is too large."));
        all.push((415, "The body is not JSON."));
        all.push((422, "A field or a rule says no."));
    }
    all
}

fn failure(what: &str) -> utoipa::openapi::Response {
    let schema = utoipa::openapi::Ref::from_schema_name("Problem");
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new().description(what).content("application/problem+json", content).build()
}
