//! A program for the AWS CDK, in TypeScript: one stack with everything in it.
//!
//! Every resource is one of CloudFormation's own constructs (`Cfn…`). The higher ones fill in defaults of their own and
//! know fewer settings, so what is synthesized would not be what was tested; around these constructs a program is as
//! free as around others. The code of functions stands in files of its own.

use std::fmt::Write as _;

use serde_json::json;

use super::asked::{Asked, What};
use super::cloudformation::{Member, members, parameter_name};
use super::part::Part;
use super::set::{Kind, Set};
use super::typescript::{self, camel, quoted};
use super::{File, Options, json_file};

/// The program, and what npm and the CDK want beside it.
pub(super) fn print(set: &Set, options: &Options) -> Vec<File> {
    let (members, asked) = members(set);
    let mut files = vec![
        File { path: "lib/site-stack.ts".to_owned(), text: stack(set, &members, &asked, options) },
        File { path: "bin/site.ts".to_owned(), text: program(&asked) },
        json_file("package.json", &package()),
        json_file("cdk.json", &json!({ "app": "npx tsc && node bin/site.js" })),
        json_file("tsconfig.json", &tsconfig()),
        File {
            path: ".gitignore".to_owned(),
            text: "*.js\n*.d.ts\n!functions/*.js\ncdk.out\nnode_modules\n".to_owned(),
        },
    ];
    let codes = set.resources.iter().filter_map(|resource| Some((&resource.short, resource.code.as_ref()?)));
    files.extend(codes.map(|(short, code)| File { path: code_path(short), text: code.clone() }));
    files
}

fn code_path(short: &str) -> String {
    format!("functions/{short}.js")
}

fn package() -> serde_json::Value {
    json!({
        "name": "site",
        "private": true,
        "scripts": { "build": "tsc", "synth": "cdk synth", "diff": "cdk diff", "deploy": "cdk deploy" },
        "dependencies": { "aws-cdk-lib": "^2.276.0", "constructs": "^10.8.0" },
        "devDependencies": { "@types/node": "^26.0.0", "aws-cdk": "^2.1148.0", "typescript": "^7.0.0" },
    })
}

fn tsconfig() -> serde_json::Value {
    json!({
        "compilerOptions": {
            "target": "ES2022",
            "module": "nodenext",
            "lib": ["es2022"],
            "types": ["node"],
            "strict": true,
            "noUnusedLocals": true,
            "skipLibCheck": true,
        },
        "include": ["bin", "lib"],
    })
}

/// What a question is called in the program.
fn property(what: What) -> String {
    camel(parameter_name(what))
}

fn stack(set: &Set, members: &[Member], asked: &[Asked], options: &Options) -> String {
    let mut out =
        format!("// Made by {}; change what it was made from, and run it again.\n", options.command);
    out.push_str(
        "import * as cdk from 'aws-cdk-lib';\nimport * as cloudfront from 'aws-cdk-lib/aws-cloudfront';\n",
    );
    out.push_str("import { Construct } from 'constructs';\n");
    if set.resources.iter().any(|resource| resource.code.is_some()) {
        out.push_str("import { readFileSync } from 'fs';\nimport { join } from 'path';\n");
    }
    out.push_str("\n/** What differs from one account to the next. */\nexport interface SiteProps extends cdk.StackProps {\n");
    for Asked { what, default } in asked {
        let may = if default.is_some() { "?" } else { "" };
        _ = writeln!(out, "  /** {} */\n  readonly {}{may}: string;", what.about(), property(*what));
    }
    out.push_str("}\n\nexport class SiteStack extends cdk.Stack {\n");
    let props = if asked.iter().all(|asked| asked.default.is_some()) {
        "props: SiteProps = {}"
    } else {
        "props: SiteProps"
    };
    _ = writeln!(
        out,
        "  constructor(scope: Construct, id: string, {props}) {{\n    super(scope, id, props);"
    );
    for Asked { what, default } in asked {
        let name = property(*what);
        let otherwise = default.as_ref().map(|text| format!(" ?? {}", quoted(text))).unwrap_or_default();
        _ = writeln!(out, "    const {name} = props.{name}{otherwise};");
    }
    let mut body = Vec::new();
    for (member, resource) in members.iter().zip(&set.resources) {
        let mut properties = member.properties.clone();
        if resource.code.is_some() {
            let path = code_path(&resource.short);
            let read = format!("readFileSync(join(__dirname, '..', {}), 'utf8')", quoted(&path));
            properties.set("FunctionCode", Part::Reference(String::new(), read));
        }
        body.push(construct(member, &properties));
    }
    let outputs = outputs(members);
    for (at, (member, text)) in members.iter().zip(&body).enumerate() {
        // The compiler refuses names that nobody uses.
        let name = format!("{}.", camel(&member.id));
        let is_used = body.iter().skip(at + 1).chain([&outputs]).any(|later| later.contains(&name));
        out.push_str("\n    ");
        if is_used {
            _ = write!(out, "const {} = ", camel(&member.id));
        }
        out.push_str(text);
    }
    out.push_str(&outputs);
    out.push_str("  }\n}\n");
    out
}

fn construct(member: &Member, properties: &Part) -> String {
    let Member { id, kind, .. } = member;
    let mut text = format!("new cloudfront.Cfn{}(this, '{id}', ", kind.word());
    typescript::write(properties, 2, &refer, &mut text);
    text.push_str(");\n");
    text
}

/// `pagesCachePolicy.ref`, `visitorsFunction.attrFunctionArn`, `certificateArn`, or an expression as it is.
fn refer(to: &str, attribute: &str) -> String {
    let is_asked = [What::Certificate, What::Origin].iter().any(|what| parameter_name(*what) == to);
    match (to, attribute) {
        ("", expression) => expression.to_owned(),
        (to, _) if is_asked => camel(to),
        (to, "") => format!("{}.ref", camel(to)),
        (to, attribute) => {
            let attribute = camel(attribute);
            let mut chars = attribute.chars();
            let first = chars.next().map(|c| c.to_ascii_uppercase()).into_iter();
            format!("{}.attr{}", camel(to), first.chain(chars).collect::<String>())
        }
    }
}

fn outputs(members: &[Member]) -> String {
    let Some(distribution) = members.iter().find(|member| member.kind == Kind::Distribution) else {
        return String::new();
    };
    let name = camel(&distribution.id);
    format!(
        "\n    new cdk.CfnOutput(this, 'DistributionId', {{ value: {name}.ref }});\n    \
         new cdk.CfnOutput(this, 'DistributionDomainName', {{ value: {name}.attrDomainName }});\n"
    )
}

fn program(asked: &[Asked]) -> String {
    let mut out = "import * as cdk from 'aws-cdk-lib';\nimport { SiteStack } from '../lib/site-stack';\n\n\
                   const app = new cdk.App();\nnew SiteStack(app, 'Site', {\n  \
                   // CloudFront is everywhere, and administered from here; so are its certificates.\n  \
                   env: { region: 'us-east-1' },\n"
        .to_owned();
    for Asked { what, .. } in asked.iter().filter(|asked| asked.default.is_none()) {
        let name = property(*what);
        _ = writeln!(out, "  // cdk deploy --context {name}=…\n  {name}: app.node.getContext('{name}'),");
    }
    out.push_str("});\n");
    out
}
