// Go's golang.org/x/oauth2: xoauth2 '{"issuer": ..., "ca": ..., "certificate": ..., "key": ..., ...}'
package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// Presenting returns a context in which the library presents this certificate.
func Presenting(certificate, key, ca string) (context.Context, error) {
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	settings := &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: settings}, Timeout: 15 * time.Second}
	return context.WithValue(context.Background(), oauth2.HTTPClient, client), nil
}

// ClientCredentials asks for a token. Without a secret the library sends nothing but the client_id.
func ClientCredentials(ctx context.Context, clientID string, endpoint oauth2.Endpoint) (*oauth2.Token, error) {
	config := clientcredentials.Config{
		ClientID:  clientID,
		TokenURL:  endpoint.TokenURL,
		AuthStyle: oauth2.AuthStyleInParams,
		Scopes:    []string{"invoices:read"},
	}
	return config.Token(ctx)
}

// Code sends a user to the authorization endpoint, and exchanges the code. State, issuer (RFC 9207) and PKCE are
// by hand: this version of the library passes on what it is given.
func Code(ctx context.Context, config *oauth2.Config, issuer string, browser func(url string) (url.Values, error)) (*oauth2.Token, error) {
	verifier, state := random(), random()
	challenge := sha256.Sum256([]byte(verifier))
	query, err := browser(config.AuthCodeURL(
		state,
		oauth2.SetAuthURLParam("code_challenge", base64.RawURLEncoding.EncodeToString(challenge[:])),
		oauth2.SetAuthURLParam("code_challenge_method", "S256"),
	))
	if err != nil {
		return nil, err
	}
	if query.Get("state") != state || query.Get("iss") != issuer {
		return nil, errors.New("this is not the answer to our request")
	}
	return config.Exchange(ctx, query.Get("code"), oauth2.SetAuthURLParam("code_verifier", verifier))
}

// Refresh asks for another access token.
func Refresh(ctx context.Context, config *oauth2.Config, token *oauth2.Token) (*oauth2.Token, error) {
	return config.TokenSource(ctx, &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
}

// random returns 256 bits that nobody can guess.
func random() string {
	made := make([]byte, 32)
	if _, err := rand.Read(made); err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(made)
}

type told struct {
	Issuer, CA, Certificate, Key string
	ClientID                     string `json:"client_id"`
	RedirectURI                  string `json:"redirect_uri"`
}

// the metadata (RFC 8414), by hand
func discover(ctx context.Context, issuer string) (found oauth2.Endpoint, err error) {
	answer, err := ctx.Value(oauth2.HTTPClient).(*http.Client).Get(issuer + "/.well-known/oauth-authorization-server")
	if err != nil {
		return found, err
	}
	defer answer.Body.Close()
	var metadata struct {
		Issuer        string
		Authorization string            `json:"authorization_endpoint"`
		Aliases       map[string]string `json:"mtls_endpoint_aliases"`
	}
	err = json.NewDecoder(answer.Body).Decode(&metadata)
	if err == nil && metadata.Issuer != issuer {
		err = errors.New("these are the metadata of another server")
	}
	found = oauth2.Endpoint{
		AuthURL:   metadata.Authorization,
		TokenURL:  metadata.Aliases["token_endpoint"],
		AuthStyle: oauth2.AuthStyleInParams,
	}
	return found, err
}

// whoever started this program is the browser
func browser(address string) (url.Values, error) {
	say(map[string]any{"open": address})
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil {
		return nil, err
	}
	back, err := url.Parse(strings.TrimSpace(line))
	return back.Query(), err
}

func say(what map[string]any) {
	line, err := json.Marshal(what)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(line))
}

func did(flow string, token *oauth2.Token, err error) *oauth2.Token {
	if err != nil {
		say(map[string]any{"did": flow, "failed": err.Error()})
		os.Exit(1)
	}
	say(map[string]any{"did": flow, "access_token": token.AccessToken, "refresh_token": token.RefreshToken})
	return token
}

func main() {
	var told told
	if err := json.Unmarshal([]byte(os.Args[1]), &told); err != nil {
		panic(err)
	}
	ctx, err := Presenting(told.Certificate, told.Key, told.CA)
	if err != nil {
		panic(err)
	}
	endpoint, err := discover(ctx, told.Issuer)
	if err != nil {
		panic(err)
	}
	say(map[string]any{"did": "discovery", "issuer": told.Issuer})
	token, err := ClientCredentials(ctx, told.ClientID, endpoint)
	did("client_credentials", token, err)
	config := &oauth2.Config{
		ClientID:    told.ClientID,
		Endpoint:    endpoint,
		RedirectURL: told.RedirectURI,
		Scopes:      []string{"invoices:read"},
	}
	token, err = Code(ctx, config, told.Issuer, browser)
	token = did("code", token, err)
	token, err = Refresh(ctx, config, token)
	did("refresh", token, err)
}
