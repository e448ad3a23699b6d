#
# Makes what is not there and brings up to date what is, found by its name; run it as often as you like.
#   CERTIFICATE_ARN=…     the certificate of the site's names, where the files have none
#   ORIGIN_DOMAIN_NAME=…  where pages come from, where the files do not say
#   DISTRIBUTION_ID=…     the distribution to change, instead of the one that has the site's name
# `deploy.sh live` changes nothing: it prints what is there as one document, for `edge-bin diff`.
set -eu
mode=${1:-deploy}
cd "$(dirname "$0")"
AWS_PAGER=
export AWS_PAGER

say() {
    printf '%s\n' "$*" >&2
}

command -v aws >/dev/null || {
    say 'this needs the AWS CLI: https://aws.amazon.com/cli/'
    exit 1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: >"$work/ids"

# knows NAME VALUE: what stands for ${NAME} in the files from now on.
knows() {
    # shellcheck disable=SC2016 # It is sed that reads it.
    printf 's|\\${%s}|%s|g\n' "$1" "$(replacing "$2")" >>"$work/ids"
}

# replacing TEXT: as sed takes it behind the second bar.
replacing() {
    printf '%s' "$1" | sed 's/[&|\\]/\\&/g'
}

# filled NAME: the settings of a resource with the ids known so far, as the AWS CLI names a file.
filled() {
    sed -f "$work/ids" "$1.json" >"$work/$1.json"
    printf 'file://%s' "$work/$1.json"
}

# etag COMMAND…: the version that an update has to name.
etag() {
    aws cloudfront "$@" --query ETag --output text
}

# put NAME KIND CALLED: a policy, a key, a group of keys, an access control; CALLED is its name at AWS.
put() {
    [ "$mode" = deploy ] || return 0
    case $2 in
    CachePolicy) noun=cache-policy list='cache-policies --type custom' ;;
    OriginRequestPolicy) noun=origin-request-policy list='origin-request-policies --type custom' ;;
    ResponseHeadersPolicy) noun=response-headers-policy list='response-headers-policies --type custom' ;;
    OriginAccessControl) noun=origin-access-control list=origin-access-controls ;;
    PublicKey) noun=public-key list=public-keys ;;
    KeyGroup) noun=key-group list=key-groups ;;
    esac
    # Some lists hold the resources, some only what is said of them.
    case $2 in
    OriginAccessControl | PublicKey) query="Items[?Name=='$3'].Id" ;;
    *) query="Items[?$2.$2Config.Name=='$3'].$2.Id" ;;
    esac
    settings=$(filled "$1")
    # shellcheck disable=SC2086 # The words of a list are words.
    id=$(aws cloudfront list-$list --query "$2List.$query | [0]" --output text)
    if [ "$id" = None ]; then
        id=$(aws cloudfront "create-$noun" "--$noun-config" "$settings" --query "$2.Id" --output text)
        say "made $noun $id"
    elif [ "$2" != PublicKey ]; then # A key is what it is.
        tag=$(etag "get-$noun" --id "$id")
        aws cloudfront "update-$noun" --id "$id" --if-match "$tag" "--$noun-config" "$settings" >/dev/null
        say "brought up to date $noun $id"
    fi
    knows "$1" "$id"
}

# put_store NAME STORE COMMENT: what is in it is put there by `aws cloudfront-keyvaluestore`.
put_store() {
    [ "$mode" = deploy ] || return 0
    if ! arn=$(aws cloudfront describe-key-value-store --name "$2" --query KeyValueStore.ARN --output text 2>/dev/null); then
        arn=$(aws cloudfront create-key-value-store --name "$2" --comment "$3" --query KeyValueStore.ARN --output text)
        say "made key value store $2"
    fi
    knows "$1.Arn" "$arn"
}

# put_function NAME FUNCTION: made or changed in the stage DEVELOPMENT, then published.
put_function() {
    [ "$mode" = deploy ] || return 0
    settings=$(filled "$1")
    if tag=$(etag describe-function --name "$2" 2>/dev/null); then
        aws cloudfront update-function --name "$2" --if-match "$tag" \
            --function-config "$settings" --function-code "fileb://$1.js" >/dev/null
    else
        aws cloudfront create-function --name "$2" \
            --function-config "$settings" --function-code "fileb://$1.js" >/dev/null
    fi
    tag=$(etag describe-function --name "$2")
    arn=$(aws cloudfront publish-function --name "$2" --if-match "$tag" \
        --query FunctionSummary.FunctionMetadata.FunctionARN --output text)
    say "published function $2"
    knows "$1.Arn" "$arn"
}

# live ID: the distribution, and all of the account that it may name. Of functions only the names.
live() {
    [ "$1" != None ] || {
        say 'there is no such distribution'
        exit 1
    }
    printf '{"DistributionConfig": %s' "$(ask get-distribution-config --id "$1" --query DistributionConfig)"
    listed CachePolicies 'CachePolicyList.Items[].CachePolicy' list-cache-policies --type custom
    listed OriginRequestPolicies 'OriginRequestPolicyList.Items[].OriginRequestPolicy' \
        list-origin-request-policies --type custom
    listed ResponseHeadersPolicies 'ResponseHeadersPolicyList.Items[].ResponseHeadersPolicy' \
        list-response-headers-policies --type custom
    listed KeyGroups 'KeyGroupList.Items[].KeyGroup' list-key-groups
    listed PublicKeys 'PublicKeyList.Items[].{Id: Id, PublicKeyConfig:
        {Name: Name, EncodedKey: EncodedKey, CallerReference: Id}}' list-public-keys
    listed OriginAccessControls 'OriginAccessControlList.Items[].{Id: Id, OriginAccessControlConfig:
        {Name: Name, SigningProtocol: SigningProtocol, SigningBehavior: SigningBehavior,
        OriginAccessControlOriginType: OriginAccessControlOriginType}}' list-origin-access-controls
    printf '}\n'
}

# listed FIELD QUERY COMMAND…
listed() {
    field=$1 query=$2
    shift 2
    printf ',\n"%s": %s' "$field" "$(ask "$@" --query "$query")"
}

ask() {
    aws cloudfront "$@" --output json
}

# put_distribution NAME QUERY: then waits until it is so everywhere, which takes minutes.
put_distribution() {
    id=${DISTRIBUTION_ID:-$(aws cloudfront list-distributions --query "$2" --output text)}
    if [ "$mode" = live ]; then
        live "$id"
    elif [ "$id" = None ]; then
        id=$(aws cloudfront create-distribution --distribution-config "$(filled "$1")" --query Distribution.Id --output text)
        say "made distribution $id"
    else
        # The reference is of whoever made it, and cannot be changed.
        reference=$(aws cloudfront get-distribution-config --id "$id" --query DistributionConfig.CallerReference --output text)
        tag=$(etag get-distribution-config --id "$id")
        printf 's|"CallerReference": "[^"]*"|"CallerReference": "%s"|\n' "$(replacing "$reference")" >>"$work/ids"
        aws cloudfront update-distribution --id "$id" --if-match "$tag" --distribution-config "$(filled "$1")" >/dev/null
        say "brought up to date distribution $id"
    fi
    [ "$mode" = deploy ] || return 0
    aws cloudfront wait distribution-deployed --id "$id"
    aws cloudfront get-distribution --id "$id" --query Distribution.DomainName --output text
}
