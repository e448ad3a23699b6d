//! Documents in other forms than the API's JSON: what each comes to, and what is said about it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may")]

use std::fs;
use std::path::PathBuf;

use edge_core::distribution::form::{self, Choices};
use edge_core::distribution::{Loaded, Problem, Problems};
use serde_json::{Value, json};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/templates")
}

fn load(text: &str) -> Result<Loaded, Problems> {
    form::load(text, &Choices::default())
}

fn fixture(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap()
}

fn given(parameters: &[&str]) -> Choices {
    Choices { parameters: parameters.iter().map(|text| (*text).to_owned()).collect(), ..Choices::default() }
}

fn chosen(resource: &str) -> Choices {
    Choices { resource: Some(resource.to_owned()), ..Choices::default() }
}

/// A distribution of one of the 22 templates: file, logical id (its beginning), and what is wrong with it, part of
/// each error. `[]` loads.
type Row = (&'static str, &'static str, &'static [&'static str]);

const NO_CONFIG: &str = "exactly one of S3OriginConfig, CustomOriginConfig and VpcOriginConfig, this has 0";
const REQUIRED: &str = "this field is required";

#[rustfmt::skip]
const TEMPLATES: &[Row] = &[
    ("cftaplam-customCloudfrontLoggingBucket.template.json", "cfapigw", &[]),
    ("cftaplam-no-arguments.template.json", "test", &[]),
    ("cftapi-use-specrestapi.template.json", "test", &[]),
    ("cftoais3-custom-headers.template.json", "test", &[]),
    ("cftoais3-custom-originPath.template.json", "test", &[]),
    ("cftoais3-existing-bucket.template.json", "test", &[]),
    ("cftoais3-no-arguments.template.json", "test", &[]),
    ("cfts3-bucket-encrypted-with-managed-key-provided-as-existingbucket.template.json", "test", &[]),
    ("cfts3-custom-headers.template.json", "test", &[]),
    ("cfts3-custom-originPath.template.json", "test", &[]),
    ("cfts3-no-cloudfront-s3-access-logs.template.json", "test", &[]),
    ("wafcft-partial-arguments.template.json", "distro", &[]),
    ("StaticWebsiteStack.template.json", "CloudFrontToS3", &[]),
    ("resources_cloudfront_invalid_aliases.yaml", "CloudFrontDistribution", &[
        "Origins[0].DomainName: this is not a domain name", NO_CONFIG, "Aliases[13]: a wildcard",
        "Aliases[14]: alternate domain names are written in lower case", "Aliases[17]: this is not a domain name",
    ]),
    ("conditions.yaml", "CloudFrontDistribution", &[]),
    ("ref-no-value.yaml", "CloudFront1", &["CloudFront1 has no DistributionConfig"]),
    ("ref-no-value.yaml", "CloudFront2", &[REQUIRED, REQUIRED, REQUIRED, "needs CachePolicyId or ForwardedValues"]),
    ("CloudfrontDistributionLogging-FAILED.yaml", "MyCloudFrontDistribution", &[]),
    ("CloudfrontDistributionLogging-PASSED.yaml", "MyCloudFrontDistribution", &[]),
    ("CloudfrontDistributionEncryption-PASSED.yaml", "CloudFrontDistribution", &["a domain name, not a URL"]),
    ("template.yaml", "ExamplePassDisabledDistribution", &[]),
    ("template.yaml", "ExamplePassNoCustomOriginDistribution", &[NO_CONFIG]),
    ("template.yaml", "ExamplePassHttpsOnlyDistribution", &[]),
    ("template.yaml", "ExamplePassDomainDistribution", &[]),
    ("template.yaml", "ExampleFailDistribution", &[]),
    ("template.yaml", "ExampleFailOneGoodOneBadDistribution", &[]),
    ("template.yaml", "ExampleFailOneMissingOneBadDistribution", &[NO_CONFIG]),
    ("invalid.yaml", "myDistribution1", &[REQUIRED, REQUIRED, REQUIRED]),
    ("static-website.yaml", "CloudFrontDistribution", &[]),
];

/// File, template, and the distribution of each row.
fn templates() -> Vec<(String, String, String)> {
    let text = fs::read_to_string(folder().join("cloudformation-dev.json")).unwrap();
    let records: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(records.len(), 22);
    let mut all = Vec::new();
    for record in &records {
        let template = json!({ "Resources": record["resources"] }).to_string();
        let file = record["path"].as_str().unwrap().rsplit('/').next().unwrap();
        let resources = record["resources"].as_object().unwrap();
        for (id, _) in resources.iter().filter(|(_, it)| it["Type"] == "AWS::CloudFront::Distribution") {
            all.push((file.to_owned(), template.clone(), id.clone()));
        }
    }
    all
}

#[test]
fn templates_of_others() {
    let mut differences = Vec::new();
    let templates = templates();
    assert_eq!(templates.len(), TEMPLATES.len());
    for ((file, template, id), (expected_file, expected_id, errors)) in templates.iter().zip(TEMPLATES) {
        assert!(file == expected_file && id.starts_with(expected_id), "{file} {id}");
        match form::load(template, &chosen(id)) {
            Ok(loaded) if errors.is_empty() => say_what_is_not_done(file, &loaded),
            Ok(_) => differences.push(format!("{file} {id} loads")),
            Err(problems) => {
                let found: Vec<String> = problems.errors().map(ToString::to_string).collect();
                let fits = found.len() == errors.len()
                    && found.iter().zip(*errors).all(|(found, part)| found.contains(part));
                if !fits {
                    differences.push(format!("{file} {id}: {}", found.join("\n")));
                }
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Every remark has the place of the template, and what is not in force is among them.
fn say_what_is_not_done(file: &str, loaded: &Loaded) {
    for warning in &loaded.warnings {
        assert!(warning.place.starts_with("Resources."), "{file}: {warning}");
        assert!(
            !warning.place.contains("Items") || warning.place.contains("OriginGroups"),
            "{file}: {warning}"
        );
    }
    let config = loaded.document.distribution_config();
    for (field, is_set) in [
        ("Logging", config.pointer("/Logging/Enabled") == Some(&json!(true))),
        ("WebACLId", config.get("WebACLId").is_some_and(|id| id != "")),
        ("OriginAccessControlId", config.to_string().contains("OriginAccessControlId")),
    ] {
        let codes = ["NotInForce", "NeedsCredentials"];
        let said = |warning: &Problem| codes.contains(&warning.code) && warning.place.ends_with(field);
        assert_eq!(loaded.warnings.iter().any(said), is_set, "{file}: {field}");
    }
}

#[test]
fn one_of_several_is_chosen() {
    let (_, template, _) = &templates()[20];
    let problems = load(template).unwrap_err();
    let text = problems.to_string();
    assert!(text.contains("there are 7 distributions in this template"), "{text}");
    assert!(text.contains("--resource ID, where ID is one of ExamplePassDisabledDistribution, "), "{text}");
    let problems = form::load(template, &chosen("Nobody")).unwrap_err();
    assert!(problems.to_string().starts_with("Resources.Nobody: this is not a distribution"), "{problems}");
    let loaded = form::load(template, &chosen("ExamplePassDisabledDistribution")).unwrap();
    assert!(!loaded.distribution.enabled);
}

const TWO_BY_CONDITION: &str = r#"
Parameters:
  Certificate: { Type: String }
Conditions:
  Secure: !Not [!Equals ['', !Ref Certificate]]
  Plain: !Equals ['', !Ref Certificate]
Resources:
  SecureSite:
    Type: AWS::CloudFront::Distribution
    Condition: Secure
    Properties:
      DistributionConfig:
        Enabled: true
        Comment: secure
        Origins: [{ Id: web, DomainName: web.example.com, CustomOriginConfig: { OriginProtocolPolicy: http-only } }]
        DefaultCacheBehavior:
          TargetOriginId: web
          ViewerProtocolPolicy: allow-all
          ForwardedValues: { QueryString: true, Headers: ['*'] }
        PriceClass: PriceClass_100
  PlainSite:
    Type: AWS::CloudFront::Distribution
    Condition: Plain
    Properties:
      DistributionConfig:
        Enabled: false
        Origins: [{ Id: web, DomainName: web.example.com, CustomOriginConfig: { OriginProtocolPolicy: http-only } }]
        DefaultCacheBehavior:
          TargetOriginId: web
          ViewerProtocolPolicy: allow-all
          ForwardedValues: { QueryString: true }
"#;

#[test]
fn conditions_choose_between_distributions() {
    let with = |value: &str| Choices { parameters: vec![format!("Certificate={value}")], resource: None };
    assert!(form::load(TWO_BY_CONDITION, &with("arn:aws:acm:us-east-1:1:x")).unwrap().distribution.enabled);
    assert!(!form::load(TWO_BY_CONDITION, &with("")).unwrap().distribution.enabled);
    let problems = load(TWO_BY_CONDITION).unwrap_err().to_string();
    let hint = "--resource ID, where ID is one of SecureSite, PlainSite; or --parameter NAME=VALUE until one is left by Plain, Secure";
    assert!(problems.contains(hint), "{problems}");
    let chosen =
        form::load(TWO_BY_CONDITION, &Choices { resource: Some("PlainSite".to_owned()), ..with("arn") });
    let problems = chosen.unwrap_err().to_string();
    assert!(problems.contains("PlainSite is not deployed: its condition does not hold"), "{problems}");
}

/// What lint finds in a template stands where its owner wrote it.
#[test]
fn findings_have_the_templates_places() {
    let choices = Choices { parameters: vec!["Certificate=arn".to_owned()], resource: None };
    let found = edge_core::lint::lint(&form::load(TWO_BY_CONDITION, &choices));
    assert!(found.len() > 3, "{found:?}");
    let place = |code: &str| found.iter().find(|finding| finding.rule.code == code).unwrap().place.as_str();
    let config = "Resources.SecureSite.Properties.DistributionConfig";
    assert_eq!(place("EDGE112"), format!("{config}.DefaultCacheBehavior.ForwardedValues.Headers (line 19)"));
    assert_eq!(
        place("EDGE510"),
        format!("{config}.Logging.Enabled (line 13)"),
        "what is missing: where it would be"
    );
}

#[test]
fn a_form_prints_the_document_it_was_turned_into() {
    for (file, template, id) in templates() {
        let Ok(loaded) = form::load(&template, &chosen(&id)) else { continue };
        let printed = loaded.document.value().to_string();
        let again = load(&printed).unwrap_or_else(|problems| panic!("{file}:\n{problems}"));
        assert_eq!(format!("{:?}", again.distribution), format!("{:?}", loaded.distribution), "{file}");
        assert_eq!(again.document, loaded.document, "{file}");
    }
}

/// A document with everything in one order that may be in any, and without what only names it.
fn normal(loaded: &Loaded) -> String {
    fn sort(key: &str, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.sort_keys();
                let is_ordered = key == "CacheBehaviors";
                for (name, field) in fields.iter_mut() {
                    sort(name, field);
                    if let (Value::Array(items), "Items", false) = (&mut *field, name.as_str(), is_ordered) {
                        let named = |item: &Value| {
                            item.get("Id").or(item.get("ErrorCode")).unwrap_or(item).to_string()
                        };
                        items.sort_by_key(named);
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| sort("", item)),
            _ => {}
        }
    }
    let mut value = loaded.document.value().clone();
    sort("", &mut value);
    value["DistributionConfig"]["CallerReference"] = json!("twin");
    let loaded = load(&value.to_string()).unwrap_or_else(|problems| panic!("{problems}"));
    format!("{:#?}", loaded.distribution)
}

#[test]
fn twins_are_the_same_distribution() {
    let twin = load(&fixture("twin.json")).unwrap();
    for (name, choices) in [
        ("twin.yaml", given(&["Domain=example.com"])),
        ("cdk.out/SiteStack.template.json", given(&[])),
        ("twin.plan.json", given(&[])),
    ] {
        let loaded =
            form::load(&fixture(name), &choices).unwrap_or_else(|problems| panic!("{name}:\n{problems}"));
        let (expected, found) = (normal(&twin), normal(&loaded));
        let difference = expected.lines().zip(found.lines()).find(|(a, b)| a != b);
        assert_eq!(expected, found, "{name}: {difference:?}");
        let unheard: Vec<&Problem> = loaded
            .warnings
            .iter()
            .filter(|problem| {
                !["NotInForce", "NeedsCredentials", "NoLocalEffect", "InvalidViewerCertificate"]
                    .contains(&problem.code)
            })
            .collect();
        assert!(unheard.is_empty(), "{name}: {unheard:?}");
    }
}

#[test]
fn xml_is_the_same_as_json() {
    let folder = folder().join("../distributions");
    let json = load(&fs::read_to_string(folder.join("legacy-wordpress.json")).unwrap()).unwrap();
    let xml = load(&fixture("legacy-wordpress.xml")).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(format!("{:?}", xml.distribution), format!("{:?}", json.distribution));
    assert_eq!(xml.document.distribution_config(), json.document.distribution_config(), "number for number");
    let places: Vec<&str> = xml.warnings.iter().map(|warning| warning.place.as_str()).collect();
    assert!(!places.is_empty() && places.iter().all(|place| place.contains("(line ")), "{places:?}");
}

/// A template around a distribution that loads, with `more` sections and `value` as its comment.
fn template(more: &str, value: &str) -> String {
    format!(
        r#"{{{more} "Resources": {{"Bucket": {{"Type": "AWS::S3::Bucket"}}, "Site": {{"Type": "AWS::CloudFront::Distribution",
        "Properties": {{"DistributionConfig": {{"Enabled": true, "Comment": {value},
        "Origins": [{{"Id": "a", "DomainName": {{"Fn::GetAtt": "Bucket.DomainName"}}, "S3OriginConfig": {{}}}}],
        "DefaultCacheBehavior": {{"TargetOriginId": "a", "ViewerProtocolPolicy": "allow-all",
        "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6"}}}}}}}}}}}}"#
    )
}

fn comment(more: &str, value: &str) -> String {
    match load(&template(more, value)) {
        Ok(loaded) => {
            loaded.document.distribution_config()["Comment"].as_str().unwrap_or("absent").to_owned()
        }
        Err(problems) => problems.to_string(),
    }
}

#[test]
fn what_functions_come_to() {
    let sections = r#""Parameters": {"P": {"Type": "String", "Default": "p"}, "L": {"Type": "CommaDelimitedList", "Default": "x, y"},
        "N": {"Type": "String"}, "S": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/a"}},
        "Mappings": {"M": {"a": {"b": "mapped"}}}, "Conditions": {"Yes": {"Fn::Equals": [{"Ref": "P"}, "p"]},
        "No": {"Fn::Not": [{"Condition": "Yes"}]}, "Either": {"Fn::Or": [{"Condition": "No"}, {"Condition": "Yes"}]},
        "Round": {"Fn::Not": [{"Condition": "Round"}]}},"#;
    for (value, expected) in [
        (r#"{"Ref": "P"}"#, "p"),
        (r#"{"Fn::Join": ["-", {"Ref": "L"}]}"#, "x-y"),
        (r#"{"Fn::Select": ["1", {"Fn::Split": ["/", "a/b"]}]}"#, "b"),
        (r#"{"Fn::FindInMap": ["M", "a", "b"]}"#, "mapped"),
        (r#"{"Fn::FindInMap": ["M", "a", "c", {"DefaultValue": "d"}]}"#, "d"),
        (r#"{"Fn::If": ["Either", {"Fn::If": ["No", "1", "2"]}, "3"]}"#, "2"),
        (r#"{"Fn::If": ["Yes", {"Ref": "AWS::NoValue"}, "3"]}"#, ""),
        (
            r#"{"Fn::Sub": "${AWS::Region} ${P} ${!P} ${Bucket} ${Bucket.Arn}"}"#,
            "us-east-1 p ${P} bucket arn:aws:s3:::bucket",
        ),
        (r#"{"Fn::Sub": ["${P}${Q}", {"P": "q", "Q": {"Ref": "P"}}]}"#, "qp"),
        (r#"{"Fn::Sub": "a ${b"}"#, "a ${ without its }"),
        (r#"{"Ref": "N"}"#, "the parameter N has no default (InvalidTemplate)\n  hint: --parameter N=VALUE"),
        (r#"{"Ref": "S"}"#, "/a of the Parameter Store"),
        (
            r#"{"Ref": "bucket"}"#,
            "no parameter or resource called bucket (InvalidTemplate)\n  hint: did you mean Bucket?",
        ),
        (r#"{"Fn::GetAtt": ["Nobody", "Arn"]}"#, "Comment: the template has no resource called Nobody"),
        (r#"{"Fn::If": ["Nobody", "1", "2"]}"#, "no condition called Nobody"),
        (r#"{"Fn::If": ["Round", "1", "2"]}"#, "go round in a circle"),
        (r#"{"Fn::Select": [7, ["a"]]}"#, "there is no member 7 in a list of 1"),
        (r#"{"Fn::Cidr": ["10.0.0.0/8", 1, 8]}"#, "Fn::Cidr is not resolved here"),
        (r#"{"Fn::Unheard": 1}"#, "is not resolved here"),
        (r#"{"Fn::Join": ["", "a", "b"]}"#, "a list of 2 is expected here"),
        (r#"{"Fn::FindInMap": ["M", "x", "y"]}"#, "the mappings have no M.x.y"),
    ] {
        let found = comment(sections, value);
        assert!(found == expected || expected.len() > 12 && found.contains(expected), "{value}: {found}");
    }
    // What one stack gives another stands in, and may be given.
    let imported = template("", r#"{"Fn::ImportValue": "zone-DomainName"}"#);
    let loaded = load(&imported).unwrap();
    assert_eq!(loaded.warnings[0].code, "StandsIn");
    let loaded = form::load(&imported, &given(&["zone-DomainName=example.com"])).unwrap();
    assert_eq!(loaded.document.distribution_config()["Comment"], "example.com");
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let wrong = form::load(&imported, &given(&["Zone=example.com"])).unwrap_err().to_string();
    assert!(wrong.starts_with("--parameter Zone: the template has no parameter Zone"), "{wrong}");
}

/// Little that would come to much, and what goes round, is refused; quickly, and without much memory.
#[test]
fn nothing_grows_without_end() {
    // serde_json's own limit on depth comes first for so many; half of them reach ours.
    for depth in [20, 60] {
        let mut doubled = "\"x\"".to_owned();
        for _ in 0..depth {
            doubled = format!(r#"{{"Fn::Sub": ["${{a}}${{a}}", {{"a": {doubled}}}]}}"#);
        }
        let said = comment("", &doubled);
        assert!(
            said.contains("comes to more than 8 MiB") || said.contains("recursion limit"),
            "{depth}: {said}"
        );
    }
    let chain = (0..10_000).map(|n| format!(r#""C{n}": {{"Condition": "C{}"}},"#, n + 1)).collect::<String>();
    let conditions = format!(r#""Conditions": {{{chain} "C10000": true}},"#);
    let said = comment(&conditions, r#"{"Fn::If": ["C0", "1", "2"]}"#);
    assert!(said.contains("too deep"), "{said}");
    let large = "y".repeat(500_000);
    let mapping = format!(r#""Mappings": {{"M": {{"a": {{"b": "{large}"}}}}}},"#);
    let many = vec![r#"{"Fn::FindInMap": ["M", "a", "b"]}"#; 5_000].join(",");
    let said = comment(&mapping, &format!("[{many}]"));
    assert!(said.contains("more than 8 MiB"), "{}", &said[..said.len().min(200)]);

    for (text, expected) in [
        (format!("Resources:\n  A: {}", "[".repeat(200)), "in each other"),
        (format!("Resources:\n{}", "  ? ".repeat(2_000)), "line 2"),
        ("Resources: &a [x]\nb: [*a, *a]".to_owned(), "CloudFormation does not read aliases"),
        ("Resources:\n\tA: 1".to_owned(), "this is not YAML"),
        (format!("Resources:\n  A: {}", "x".repeat(10_000_000)), "at most 1 MiB"),
        (format!("{{\"Resources\": {{\"a\": \"{}\"}}}}", "x".repeat(10_000_000)), "at most 1 MiB"),
        (format!("<a>{}</a>", "x".repeat(10_000_000)), "at most 1 MiB"),
        (format!("{{\"Resources\": {}", "[".repeat(100_000)), "this is not JSON"),
        ("Resources: {}".to_owned(), "there is no distribution in this template"),
        (
            "Resources:\n  A: {Type: AWS::CloudFront::StreamingDistribution}".to_owned(),
            "A is a StreamingDistribution",
        ),
        ("whatever".to_owned(), "neither JSON, nor XML"),
    ] {
        let said = load(&text).unwrap_err().to_string();
        assert!(said.contains(expected), "{}: {said}", &text[..text.len().min(60)]);
    }
}

#[test]
fn names_and_shapes_of_templates() {
    let yaml = "
Resources:
  Key: {Type: AWS::CloudFront::PublicKey, Properties: {PublicKeyConfig: {Name: k, CallerReference: c, EncodedKey: KEY}}}
  Group: {Type: AWS::CloudFront::KeyGroup, Properties: {KeyGroupConfig: {Name: g, Items: [!Ref Key]}}}
  Store: {Type: AWS::CloudFront::KeyValueStore, Properties: {Name: store}}
  Old: {Type: AWS::CloudFront::StreamingDistribution}
  Staging: {Type: AWS::CloudFront::ContinuousDeploymentPolicy, Properties: {ContinuousDeploymentPolicyConfig: {Enabled: true, StagingDistributionDnsNames: [a.cloudfront.net]}}}
  Look:
    Type: AWS::CloudFront::Function
    Properties:
      Name: look
      FunctionCode: function handler(event) { return event.request; }
      FunctionConfig:
        Comment: c
        Runtime: cloudfront-js-2.0
        KeyValueStoreAssociations: [{KeyValueStoreARN: !GetAtt Store.Arn}]
  Site:
    Type: AWS::CloudFront::Distribution
    Properties:
      DistributionConfig:
        Enabled: 'true'
        CNAMEs: [www.example.com]
        CustomOrigin: {DNSName: origin.example.com, OriginProtocolPolicy: http-only, OriginSSLProtocols: [TLSv1.2]}
        ViewerCertificate: {AcmCertificateArn: !Ref Group, SslSupportMethod: sni-only}
        Logging: {Bucket: logs.s3.amazonaws.com}
        DefaultCacheBehavior:
          TargetOriginId: main
          ViewerProtocolPolicy: allow-all
          ForwardedValues: {QueryString: false}
          TrustedKeyGroups: [!Ref Group]
          CachedMethods: [GET, HEAD]
        Restrictions: {GeoRestriction: {RestrictionType: whitelist, Locations: [DE, FR]}}
";
    let key = include_str!("../../../fixtures/signing/ecdsa.pub.pem");
    let yaml = yaml.replace("KEY", &format!("{key:?}"));
    let loaded = load(&yaml).unwrap_or_else(|problems| panic!("{problems}"));
    let document = loaded.document.value();
    let at = |pointer: &str| document.pointer(pointer).unwrap_or_else(|| panic!("{pointer}")).clone();
    for (pointer, expected) in [
        ("/DistributionConfig/Aliases/Items/0", json!("www.example.com")),
        ("/DistributionConfig/Origins/Items/0/Id", json!("main")),
        ("/DistributionConfig/Origins/Items/0/CustomOriginConfig/HTTPSPort", json!(443)),
        ("/DistributionConfig/Origins/Items/0/CustomOriginConfig/OriginSslProtocols/Quantity", json!(1)),
        ("/DistributionConfig/ViewerCertificate/ACMCertificateArn", json!("Group")),
        ("/DistributionConfig/ViewerCertificate/SSLSupportMethod", json!("sni-only")),
        ("/DistributionConfig/Logging/Enabled", json!(true)),
        (
            "/DistributionConfig/DefaultCacheBehavior/TrustedKeyGroups",
            json!({"Quantity": 1, "Items": ["Group"], "Enabled": true}),
        ),
        ("/DistributionConfig/DefaultCacheBehavior/ForwardedValues/Cookies/Forward", json!("none")),
        ("/DistributionConfig/DefaultCacheBehavior/AllowedMethods/CachedMethods/Quantity", json!(2)),
        ("/DistributionConfig/Restrictions/GeoRestriction/Items/1", json!("FR")),
        ("/DistributionConfig/Restrictions/GeoRestriction/Quantity", json!(2)),
        (
            "/PublicKeys/0",
            json!({"Id": "Key", "PublicKeyConfig": {"Name": "k", "CallerReference": "c", "EncodedKey": key}}),
        ),
        ("/KeyGroups/0/KeyGroupConfig/Items", json!(["Key"])),
        ("/KeyValueStores/0/Name", json!("store")),
        (
            "/Functions/0/FunctionConfig/KeyValueStoreAssociations/Items/0/KeyValueStoreARN",
            json!("arn:aws:cloudfront::123456789012:key-value-store/Store"),
        ),
        (
            "/ContinuousDeploymentPolicies/0/ContinuousDeploymentPolicyConfig/StagingDistributionDnsNames/Quantity",
            json!(1),
        ),
    ] {
        assert_eq!(at(pointer), expected, "{pointer}");
    }
    let places: Vec<&str> = loaded.warnings.iter().map(|warning| warning.place.as_str()).collect();
    let streaming =
        loaded.warnings.iter().find(|warning| warning.message.contains("StreamingDistribution")).unwrap();
    assert_eq!(streaming.place, "Resources.Old (line 6)");
    assert!(places.contains(&"Resources.Site.Properties.DistributionConfig.Logging (line 25)"), "{places:?}");
}

#[test]
fn what_a_plan_does_not_know() {
    let load_plan = |change: &dyn Fn(&mut Value), choices: &Choices| {
        let mut plan: Value = serde_json::from_str(&fixture("twin.plan.json")).unwrap();
        change(&mut plan);
        form::load(&plan.to_string(), choices)
    };
    let behavior = "/configuration/root_module/resources/0/expressions/default_cache_behavior/0";
    // A reference through a local value ends there: a plan does not say what locals are.
    let local = |plan: &mut Value| {
        plan.pointer_mut(behavior).unwrap()["cache_policy_id"] = json!({"references": ["local.policy"]});
    };
    let said = load_plan(&local, &given(&[])).unwrap_err().to_string();
    let place = "aws_cloudfront_distribution.site.default_cache_behavior[0].cache_policy_id";
    assert!(said.contains(&format!("{place}: not known in this plan: it comes from local.policy")), "{said}");
    assert!(said.contains(&format!("hint: --parameter '{place}=VALUE'")), "{said}");
    let parameter = format!("{place}=658327ea-f89d-4fab-a63d-7e88639e58f6");
    let loaded = load_plan(&local, &given(&[&parameter])).unwrap();
    assert_eq!(loaded.distribution.default_behavior.names.cache, "Managed-CachingOptimized");
    let said = load_plan(&|_| {}, &given(&["x=y"])).unwrap_err().to_string();
    assert!(said.contains("--parameter x: nothing of that name is unknown"), "{said}");
    // References that lead to one another, each to four, end all the same.
    let round = |plan: &mut Value| {
        let call = plan.pointer_mut("/configuration/root_module/module_calls/forward").unwrap();
        for name in ["a", "b", "c", "d"] {
            call["expressions"][name] = json!({"references": ["module.forward.id"]});
        }
        call["module"]["outputs"]["id"]["expression"] =
            json!({"references": ["var.a", "var.b", "var.c", "var.d"]});
    };
    let said = load_plan(&round, &given(&[])).unwrap_err().to_string();
    assert!(
        said.contains("origin_request_policy_id: not known in this plan: it comes from module.forward.id"),
        "{said}"
    );
    // A data source that is not read yet is known by its name.
    let data = |plan: &mut Value| {
        plan["prior_state"]["values"]["root_module"]["resources"][0]["values"] =
            json!({"name": "Managed-CachingDisabled"});
        let source = json!({"address": "data.aws_cloudfront_cache_policy.optimized", "expressions": {"name": {"constant_value": "CachingDisabled"}}});
        plan.pointer_mut("/configuration/root_module/resources")
            .unwrap()
            .as_array_mut()
            .unwrap()
            .push(source);
        plan.pointer_mut(behavior).unwrap()["cache_policy_id"] =
            json!({"references": ["data.aws_cloudfront_cache_policy.optimized.id"]});
    };
    let loaded = load_plan(&data, &given(&[])).unwrap();
    assert_eq!(loaded.distribution.default_behavior.names.cache, "Managed-CachingDisabled");
    // Places are Terraform's, also of what is missing.
    let missing = |plan: &mut Value| {
        let values = plan
            .pointer_mut("/planned_values/root_module/resources/0/values/default_cache_behavior/0")
            .unwrap();
        values["viewer_protocol_policy"] = Value::Null;
    };
    let said = load_plan(&missing, &given(&[])).unwrap_err().to_string();
    assert!(said.starts_with("aws_cloudfront_distribution.site.default_cache_behavior[0].viewer_protocol_policy: this field is required"), "{said}");
    // A state knows everything, ids included.
    let state = |plan: &mut Value| {
        let mut values = plan["planned_values"].clone();
        let distribution = &mut values["root_module"]["resources"][0]["values"];
        distribution["id"] = json!("E123");
        distribution["domain_name"] = json!("d123.cloudfront.net");
        distribution["default_cache_behavior"][0]["cache_policy_id"] =
            json!("658327ea-f89d-4fab-a63d-7e88639e58f6");
        distribution["default_cache_behavior"][0]["function_association"] = json!([]);
        distribution["origin"][0]["domain_name"] = json!("b.s3.amazonaws.com");
        distribution["origin"][1]["domain_name"] = json!("a.example.com");
        *plan = json!({"format_version": "1.0", "values": values});
    };
    let loaded = load_plan(&state, &given(&[])).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(
        (loaded.distribution.id.as_str(), loaded.distribution.domain_name.as_str()),
        ("E123", "d123.cloudfront.net")
    );
    let said =
        load(r#"{"version": 4, "terraform_version": "1.9.0", "resources": []}"#).unwrap_err().to_string();
    assert!(said.contains("terraform show -json"), "{said}");
    let said = load(r#"{"planned_values": {"root_module": {}}}"#).unwrap_err().to_string();
    assert!(said.contains("no aws_cloudfront_distribution in this plan"), "{said}");
}
