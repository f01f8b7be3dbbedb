#!/bin/sh
# curl: everything that the libraries do, by hand. It takes its settings from the environment:
#   issuer ca certificate key client_id redirect_uri metadata initial_access_token
#   resource_server_client_id resource_server_certificate resource_server_key registering_certificate registering_key
# shellcheck disable=SC2154  # that is where they come from
set -eu

member() { sed -E "s/.*\"$1\": ?\"([^\"]+)\".*/\1/"; }
did() { printf '{"did": "%s", %s\n' "$1" "$(echo "${2#?}" | tr -d '\n')"; }  # $2 is an object of JSON, and gets a member
base64url() { basenc --base64url -w0 | tr -d =; }
own() { curl --silent --show-error --fail-with-body --cacert "$ca" --cert "$certificate" --key "$key" "$@"; }

printf '{"version": "%s"}\n' "$(curl --version | sed -n '1s/curl \([^ ]*\).*/\1/p')"

server=$(curl --silent --cacert "$ca" "$issuer/.well-known/oauth-authorization-server" | tr -d '\n')
did discovery "$server"
aliases=$(echo "$server" | sed -E 's/.*"mtls_endpoint_aliases": ?(\{[^}]*\}).*/\1/')
token_endpoint=$(echo "$aliases" | member token_endpoint)

did client_credentials "$(own -d grant_type=client_credentials -d client_id="$client_id" -d scope=invoices:read "$token_endpoint")"

code_verifier=$(openssl rand 32 | base64url)
code_challenge=$(printf %s "$code_verifier" | openssl sha256 -binary | base64url)
request_uri=$(own -d client_id="$client_id" -d response_type=code -d scope=invoices:read -d state=s \
  --data-urlencode redirect_uri="$redirect_uri" -d code_challenge="$code_challenge" -d code_challenge_method=S256 \
  "$(echo "$aliases" | member pushed_authorization_request_endpoint)" | member request_uri)
printf '{"open": "%s?client_id=%s&request_uri=%s"}\n' "$(echo "$server" | member authorization_endpoint)" \
  "$client_id" "$request_uri"
read -r back
escaped=$(echo "$issuer" | sed 's,:,%3A,g; s,/,%2F,g')
case $back in *[?\&]iss="$escaped" | *[?\&]iss="$escaped"\&*) ;; *) echo "another server has answered: $back" >&2; exit 1 ;; esac
code=$(echo "$back" | sed -E 's/.*[?&]code=([^&]+).*/\1/')
tokens=$(own -d grant_type=authorization_code -d code="$code" -d client_id="$client_id" \
  --data-urlencode redirect_uri="$redirect_uri" -d code_verifier="$code_verifier" "$token_endpoint")
did code "$tokens"

fresh=$(own -d grant_type=refresh_token -d refresh_token="$(echo "$tokens" | member refresh_token)" \
  -d client_id="$client_id" "$token_endpoint")
did refresh "$fresh"

access_token=$(echo "$fresh" | member access_token)
did introspection "$(own --cert "$resource_server_certificate" --key "$resource_server_key" \
  -d client_id="$resource_server_client_id" -d token="$access_token" "$(echo "$aliases" | member introspection_endpoint)")"

own -d client_id="$client_id" -d token="$access_token" "$(echo "$aliases" | member revocation_endpoint)" >/dev/null
did revocation "{\"access_token\": \"$access_token\"}"

registered=$(own --cert "$registering_certificate" --key "$registering_key" -H 'Content-Type: application/json' \
  -H "Authorization: Bearer $initial_access_token" -d "$metadata" "$(echo "$aliases" | member registration_endpoint)")
token=$(own --cert "$registering_certificate" --key "$registering_key" -d grant_type=client_credentials \
  -d client_id="$(echo "$registered" | member client_id)" "$token_endpoint")
did registration "${registered%\}}, ${token#\{}"
