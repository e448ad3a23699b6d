//! The network: one made here, or the ids of one there is.

use serde_json::{Value, json};

use super::super::Service;
use super::super::{Network, Stack};
use super::template::Template;
use super::{get, reference, sub};

pub(super) fn add(template: &mut Template, stack: &Stack) {
    template.serve(Service::Network);
    match stack.network {
        Network::Made => made(template, stack.zones),
        Network::Existing => existing(template),
    }
}

/// The network's id.
pub(super) fn vpc(stack: &Stack) -> Value {
    match stack.network {
        Network::Made => reference("Vpc"),
        Network::Existing => reference("VpcId"),
    }
}

/// The public or the private subnets: a list.
pub(super) fn subnets(stack: &Stack, kind: &str) -> Value {
    match stack.network {
        Network::Made => (1..=stack.zones).map(|zone| reference(&format!("{kind}Subnet{zone}"))).collect(),
        Network::Existing => reference(&format!("{kind}SubnetIds")),
    }
}

/// The private subnet of a zone, counted from 1.
pub(super) fn private_subnet(stack: &Stack, zone: u8) -> Value {
    match stack.network {
        Network::Made => reference(&format!("PrivateSubnet{zone}")),
        Network::Existing => json!({ "Fn::Select": [zone - 1, reference("PrivateSubnetIds")] }),
    }
}

fn existing(template: &mut Template) {
    template.parameter("VpcId", "The network", json!({ "Type": "AWS::EC2::VPC::Id" }));
    let list = || json!({ "Type": "List<AWS::EC2::Subnet::Id>" });
    template.parameter("PublicSubnetIds", "Subnets with a way in, one in each zone", list());
    template.parameter("PrivateSubnetIds", "Subnets with a way out only, one in each zone", list());
}

fn made(template: &mut Template, zones: u8) {
    let named = |name: &str| json!([{ "Key": "Name", "Value": sub(&format!("${{AWS::StackName}}-{name}")) }]);
    template.add(
        "Vpc",
        "AWS::EC2::VPC",
        json!({
            "CidrBlock": "10.20.0.0/16",
            "EnableDnsHostnames": true,
            "EnableDnsSupport": true,
            "Tags": named("site"),
        }),
    );
    template.add("InternetGateway", "AWS::EC2::InternetGateway", json!({ "Tags": named("site") }));
    template.add(
        "InternetGatewayAttachment",
        "AWS::EC2::VPCGatewayAttachment",
        json!({ "VpcId": reference("Vpc"), "InternetGatewayId": reference("InternetGateway") }),
    );
    template.add(
        "PublicRoutes",
        "AWS::EC2::RouteTable",
        json!({ "VpcId": reference("Vpc"), "Tags": named("public") }),
    );
    template.add_with(
        "PublicRoute",
        "AWS::EC2::Route",
        json!({ "DependsOn": "InternetGatewayAttachment" }),
        json!({
            "RouteTableId": reference("PublicRoutes"),
            "DestinationCidrBlock": "0.0.0.0/0",
            "GatewayId": reference("InternetGateway"),
        }),
    );
    for zone in 1..=zones {
        in_zone(template, zone);
    }
    let tables: Vec<Value> = (1..=zones).map(|zone| reference(&format!("PrivateRoutes{zone}"))).collect();
    template.add(
        "BucketEndpoint",
        "AWS::EC2::VPCEndpoint",
        json!({
            "VpcId": reference("Vpc"),
            "#ServiceName": "media and logs do not pass the gateways that are paid by the byte",
            "ServiceName": sub("com.amazonaws.${AWS::Region}.s3"),
            "VpcEndpointType": "Gateway",
            "RouteTableIds": tables,
        }),
    );
}

fn in_zone(template: &mut Template, zone: u8) {
    let here = json!({ "Fn::Select": [zone - 1, { "Fn::GetAZs": "" }] });
    let name = |what: &str| format!("{what}{zone}");
    for (kind, third) in [("Public", 0), ("Private", 128)] {
        template.add(
            &name(&format!("{kind}Subnet")),
            "AWS::EC2::Subnet",
            json!({
                "VpcId": reference("Vpc"),
                "AvailabilityZone": here.clone(),
                "CidrBlock": format!("10.20.{}.0/20", third + 16 * (zone - 1)),
                "Tags": [{
                    "Key": "Name",
                    "Value": sub(&format!("${{AWS::StackName}}-{}-{zone}", kind.to_ascii_lowercase())),
                }],
            }),
        );
    }
    template.add_with(
        &name("GatewayAddress"),
        "AWS::EC2::EIP",
        json!({ "DependsOn": "InternetGatewayAttachment" }),
        json!({ "Domain": "vpc" }),
    );
    template.add(
        &name("Gateway"),
        "AWS::EC2::NatGateway",
        json!({
            "AllocationId": get(&name("GatewayAddress"), "AllocationId"),
            "SubnetId": reference(&name("PublicSubnet")),
        }),
    );
    template.add(&name("PrivateRoutes"), "AWS::EC2::RouteTable", json!({ "VpcId": reference("Vpc") }));
    template.add(
        &name("PrivateRoute"),
        "AWS::EC2::Route",
        json!({
            "RouteTableId": reference(&name("PrivateRoutes")),
            "DestinationCidrBlock": "0.0.0.0/0",
            "NatGatewayId": reference(&name("Gateway")),
        }),
    );
    for (kind, table) in [("Public", "PublicRoutes".to_owned()), ("Private", name("PrivateRoutes"))] {
        template.add(
            &name(&format!("{kind}SubnetRoutes")),
            "AWS::EC2::SubnetRouteTableAssociation",
            json!({ "SubnetId": reference(&name(&format!("{kind}Subnet"))), "RouteTableId": reference(&table) }),
        );
    }
}
