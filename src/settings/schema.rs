//! The JSON Schema of shipit.toml, made from the table of settings.

use serde_json::{Map, Value, json};

use super::file::PER_ENVIRONMENT;
use super::setting::{self, Setting};
use super::table::Section;
use super::value::{Shape, Written};

/// The schema (draft 7, which TOML editors know). It tells keys, types and meanings; what a value must be beyond its
/// type is checked when shipit reads the file.
pub fn schema() -> Value {
    let mut properties: Map<String, Value> =
        Section::ALL.iter().map(|section| (section.name().to_owned(), section_schema(*section))).collect();
    let per_environment: Map<String, Value> = PER_ENVIRONMENT
        .iter()
        .map(|section| (section.name().to_owned(), json!({ "$ref": format!("#/properties/{}", section.name()) })))
        .collect();
    properties.insert(
        "env".to_owned(),
        json!({
            "type": "object",
            "description": "What differs in an environment: it holds where `--env NAME` is given.",
            "additionalProperties": {
                "type": "object", "properties": per_environment, "additionalProperties": false,
            },
        }),
    );
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "shipit.toml",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    })
}

fn section_schema(section: Section) -> Value {
    let properties: Map<String, Value> =
        setting::of(section).map(|setting| (setting.key.clone(), setting_schema(setting))).collect();
    json!({
        "type": "object", "description": section.about(), "properties": properties, "additionalProperties": false,
    })
}

fn setting_schema(setting: &Setting) -> Value {
    let description = format!(
        "{}\n\nExpected: {}. Default: {}. Example: {} = {}",
        setting.about, setting.expected, setting.default, setting.key, setting.example
    );
    let mut schema = match setting.shape {
        Shape::Switch => json!({ "type": "boolean" }),
        Shape::One => json!({ "type": types(setting.written) }),
        Shape::List => json!({ "type": "array", "items": { "type": types(setting.written) } }),
        Shape::Table => {
            json!({ "type": "object", "additionalProperties": { "type": ["string", "number", "boolean"] } })
        }
    };
    schema["description"] = json!(description);
    schema
}

fn types(written: &[Written]) -> Vec<&'static str> {
    let name = |written: &Written| match written {
        Written::Quoted => "string",
        Written::Number => "number",
        Written::Boolean => "boolean",
    };
    written.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_in_the_schema_with_its_type() {
        let schema = schema();
        for setting in setting::all() {
            let found = &schema["properties"][setting.section.name()]["properties"][&setting.key];
            assert!(
                found["description"].as_str().is_some_and(|text| text.starts_with(setting.about)),
                "{}",
                setting.path
            );
        }
        let image = &schema["properties"]["image"]["properties"];
        assert_eq!(image["ports"]["items"]["type"], json!(["string", "number"]));
        assert_eq!(image["env"]["type"], "object");
        assert_eq!(schema["properties"]["service"]["properties"]["circuit-breaker"]["type"], "boolean");
        let environment = &schema["properties"]["env"]["additionalProperties"]["properties"];
        assert_eq!(environment["image"]["$ref"], "#/properties/image");
        assert_eq!(environment.get("build"), None, "an environment is the same artifact");
    }
}
