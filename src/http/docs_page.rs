//! `/api/docs`: the OpenAPI document as a page that needs nothing but itself.

use std::fmt::Write;

use serde_json::{Map, Value};

const STYLE: &str = include_str!("docs.css");
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// Lays the document out: its tags in their order, each with its operations.
pub(super) fn render(document: &Value) -> String {
    let title = text(&document["info"]["title"]);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} · API</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"
    );
    let tags = document["tags"].as_array().map(Vec::as_slice).unwrap_or_default();
    // Writing into a String cannot fail, here and below.
    let _ = write!(page, "<header><h1>{title} <small>{}</small></h1>", text(&document["info"]["version"]));
    let _ = write!(page, "<p>{}</p>", prose(&document["info"]["description"]));
    let _ = write!(page, "<p>Machines read <a href=\"/api/openapi.json\">openapi.json</a>.</p><nav>");
    for tag in tags {
        let _ = write!(page, "<a href=\"#{0}\">{0}</a> ", text(&tag["name"]));
    }
    page.push_str("</nav></header>\n<main>\n");
    credentials(&mut page, document);
    for tag in tags {
        let name = text(&tag["name"]);
        let _ = write!(page, "<h2 id=\"{name}\">{name}</h2>\n<p>{}</p>\n", prose(&tag["description"]));
        for (path, method, operation) in operations(document) {
            if operation["tags"][0] == tag["name"] {
                section(&mut page, document, path, method, operation);
            }
        }
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn credentials(page: &mut String, document: &Value) {
    let schemes = document["components"]["securitySchemes"].as_object();
    for scheme in schemes.into_iter().flat_map(Map::values) {
        let _ = write!(
            page,
            "<h2>Token</h2>\n<p><code>Authorization: Bearer …</code> {}</p>\n",
            prose(&scheme["description"])
        );
    }
}

fn operations(document: &Value) -> impl Iterator<Item = (&str, &'static str, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, item)| {
        METHODS.into_iter().filter_map(move |method| Some((path.as_str(), method, item.get(method)?)))
    })
}

fn section(page: &mut String, document: &Value, path: &str, method: &str, operation: &Value) {
    let needs = if operation["security"].is_array() { "<span class=\"token\">token</span>" } else { "" };
    let path = escape(path);
    let _ = write!(
        page,
        "<section id=\"{method}{path}\">\n<h3><span class=\"method {method}\">{method}</span> <code>{path}</code> {needs}</h3>\n\
         <p><strong>{}</strong> {}</p>\n",
        prose(&operation["summary"]),
        prose(&operation["description"])
    );
    parameters(page, operation);
    let body = &operation["requestBody"];
    if let Some(schema) = body["content"]["application/json"].get("schema") {
        let _ = writeln!(page, "<h4>Body</h4> {}", prose(&body["description"]));
        let schema = resolve(document, schema);
        properties(page, document, schema);
        let example = body["content"]["application/json"].get("example").or_else(|| schema.get("example"));
        if let Some(example) = example {
            let _ = writeln!(page, "<pre>{}</pre>", escape(&example.to_string()));
        }
    }
    answers(page, document, operation);
    page.push_str("</section>\n");
}

fn parameters(page: &mut String, operation: &Value) {
    let Some(parameters) = operation["parameters"].as_array() else {
        return;
    };
    page.push_str("<h4>Parameters</h4>\n<table>\n");
    for parameter in parameters {
        let (name, place) = (text(&parameter["name"]), text(&parameter["in"]));
        let what = prose(&parameter["description"]);
        let example = match &parameter["example"] {
            Value::Null => String::new(),
            example => format!(" <code>{}</code>", plain(example)),
        };
        let _ = writeln!(page, "<tr><th>{name}</th><td>{place}</td><td>{what}{example}</td></tr>");
    }
    page.push_str("</table>\n");
}

fn answers(page: &mut String, document: &Value, operation: &Value) {
    page.push_str("<h4>Answers</h4>\n");
    for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
        let what = prose(&answer["description"]);
        let Some(schema) = answer["content"]["application/json"].get("schema") else {
            let _ = writeln!(page, "<p><code>{}</code> {what}</p>", escape(status));
            continue;
        };
        let _ = writeln!(page, "<details><summary><code>{}</code> {what}</summary>", escape(status));
        properties(page, document, resolve(document, schema));
        page.push_str("</details>\n");
    }
}

/// The fields of an object, one row each.
fn properties(page: &mut String, document: &Value, schema: &Value) {
    let Some(fields) = schema["properties"].as_object() else {
        return;
    };
    page.push_str("<table>\n");
    for (name, field) in fields {
        let what = prose(&field["description"]);
        let _ = writeln!(page, "<tr><th>{}</th><td>{}</td><td>{what}</td></tr>", escape(name), kind(document, field));
    }
    page.push_str("</table>\n");
}

/// A field's type, its range and, where it is an object, that object's fields.
fn kind(document: &Value, field: &Value) -> String {
    let types = match &field["type"] {
        Value::Array(types) => types.iter().map(plain).collect::<Vec<_>>().join(" or "),
        one => plain(one),
    };
    let range = match (&field["minimum"], &field["maximum"]) {
        (Value::Null, _) | (_, Value::Null) => String::new(),
        (from, to) => format!(" {}–{}", plain(from), plain(to)),
    };
    let of = match &field["items"] {
        Value::Null => String::new(),
        items => format!(" of {}", kind(document, items)),
    };
    let target = resolve(document, field);
    let fields = target["properties"].as_object().filter(|_| field.get("$ref").is_some());
    let inner = fields.map(|fields| {
        let names: Vec<_> = fields.keys().map(|name| escape(name)).collect();
        format!("{{{}}}", names.join(", "))
    });
    format!("{types}{range}{of}{}", inner.unwrap_or_default())
}

/// What a `$ref` leads to; anything else is itself.
fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let pointer = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| document.pointer(pointer)).unwrap_or(schema)
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => escape(text),
        other => escape(&other.to_string()),
    }
}

fn text(value: &Value) -> String {
    escape(value.as_str().unwrap_or_default())
}

/// Text in which backquotes mark code.
fn prose(value: &Value) -> String {
    let mut html = String::new();
    for (index, part) in text(value).split('`').enumerate() {
        let _ = if index % 2 == 1 { write!(html, "<code>{part}</code>") } else { write!(html, "{part}") };
    }
    html
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document() -> Value {
        json!({
            "info": {"title": "A <b>", "version": "1", "description": "Use `x < y`."},
            "tags": [{"name": "rooms", "description": "All of them."}],
            "paths": {"/rooms/{code}": {"post": {
                "tags": ["rooms"], "summary": "Make", "security": [{"token": []}],
                "parameters": [{"name": "code", "in": "path", "description": "A code", "example": "MUSIC-1234"}],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/New"}}}},
                "responses": {"204": {"description": "Done"}}
            }}},
            "components": {"schemas": {"New": {"example": {"bpm": 90}, "properties": {
                "bpm": {"type": ["integer", "null"], "minimum": 1, "maximum": 299, "description": "Tempo"}
            }}}}
        })
    }

    #[test]
    fn an_operation_shows_its_parameters_body_and_answers() {
        let page = render(&document());
        for part in [
            "<code>/rooms/{code}</code>",
            "<code>MUSIC-1234</code>",
            "<tr><th>bpm</th><td>integer or null 1–299</td><td>Tempo</td></tr>",
            "{&quot;bpm&quot;:90}",
            "<code>204</code> Done",
            "<span class=\"token\">",
        ] {
            assert!(page.contains(part), "{part} is missing in {page}");
        }
    }

    #[test]
    fn text_is_text_and_the_page_loads_nothing() {
        let page = render(&document());
        assert!(page.contains("A &lt;b&gt;") && page.contains("<code>x &lt; y</code>"));
        for outside in ["<script", "<link", "<img", "src=", "@import", "url(", "http://", "https://"] {
            assert!(!page.contains(outside), "{outside}");
        }
    }
}
