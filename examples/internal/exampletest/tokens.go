package exampletest

import (
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/stiggate/gate/examples/internal/demo"
)

// PrintsWhatWorks tries what the program prints for its user to try.
func (p Program) PrintsWhatWorks(t *testing.T) {
	t.Setenv("STIGG_URL", "")
	t.Setenv("STIGG_API_KEY", "")
	printed, _, stop := p.start(t)
	defer stop()
	tokens := regexp.MustCompile(`TOKEN=(\S+) # (\S+)`).FindAllStringSubmatch(printed, -1)
	campaigns := regexp.MustCompile(`-d '(\S+)' (http://\S+/campaigns)`).FindAllStringSubmatch(printed, -1)
	analytics := regexp.MustCompile(`http://\S+/analytics`).FindAllString(printed, -1)
	if len(tokens) != 2 || len(campaigns) != 2 || len(analytics) != 2 {
		t.Fatalf("got\n%s", printed)
	}
	for i, want := range []struct{ campaign, analytics int }{{201, 402}, {201, 200}} {
		if got := send(t, "POST", campaigns[i][2], tokens[i][1], campaigns[i][1]); got != want.campaign {
			t.Errorf("%s: campaign: got %d, want %d", tokens[i][2], got, want.campaign)
		}
		if got := send(t, "GET", analytics[i], tokens[i][1], ""); got != want.analytics {
			t.Errorf("%s: analytics: got %d, want %d", tokens[i][2], got, want.analytics)
		}
	}
}

// ChargesTheTokensCustomer uses up the plan of customer-basic. Elsewhere are the answers to
// campaigns that the same token posts to other paths.
func (p Program) ChargesTheTokensCustomer(t *testing.T, elsewhere map[string]int) {
	stigg := StartStigg(t)
	inFrontOf(t, stigg)
	_, url, stop := p.start(t)
	basic := token("customer-basic", time.Now().Add(time.Hour))
	for i, want := range []int{201, 201, 400, 201, 201, 402} {
		body := `{"name":"spring"}`
		if want == 400 {
			body = `{}`
		}
		if got := send(t, "POST", url+p.path("customer-basic", "/campaigns"), basic, body); got != want {
			t.Errorf("campaign %d: got %d, want %d", i+1, got, want)
		}
	}
	for target, want := range elsewhere {
		if got := send(t, "POST", url+target, basic, `{"name":"spring"}`); got != want {
			t.Errorf("%s: got %d, want %d", target, got, want)
		}
	}
	if got := send(t, "GET", url+"/health", "", ""); got != 200 {
		t.Errorf("health: got %d, want 200", got)
	}
	stop()
	used := stigg.Usage()
	for _, u := range used {
		if u.CustomerID != "customer-basic" {
			t.Errorf("%s is charged", u.CustomerID)
		}
	}
	if len(used) != 4 {
		t.Errorf("Stigg has %d measurements, want 4", len(used))
	}
}

// LetsNobodyInWithoutAToken tries tokens of every wrong kind, and a right one.
func (p Program) LetsNobodyInWithoutAToken(t *testing.T) {
	stigg := StartStigg(t)
	inFrontOf(t, stigg)
	_, url, stop := p.start(t)
	analytics := url + p.path("customer-pro", "/analytics")
	key, later := []byte(Secret), time.Now().Add(time.Hour)
	good := token("customer-pro", later)
	head, rest, _ := strings.Cut(good, ".")
	claims, _, _ := strings.Cut(rest, ".")
	sign := func(method jwt.SigningMethod, key any, claims jwt.MapClaims) string {
		token, err := jwt.NewWithClaims(method, claims).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	for name, tried := range map[string]string{
		"none":              "",
		"nonsense":          "a.b.c",
		"expired":           token("customer-pro", time.Now().Add(-time.Hour)),
		"another key":       demo.Token([]byte("another key"), "customer-pro", later),
		"no signature":      head + "." + claims + ".",
		"alg none":          sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, jwt.MapClaims{"org": "customer-pro", "aud": demo.Audience, "exp": later.Unix()}),
		"another algorithm": sign(jwt.SigningMethodHS512, key, jwt.MapClaims{"org": "customer-pro", "aud": demo.Audience, "exp": later.Unix()}),
		"another audience":  sign(jwt.SigningMethodHS256, key, jwt.MapClaims{"org": "customer-pro", "aud": "other", "exp": later.Unix()}),
		"no expiry":         sign(jwt.SigningMethodHS256, key, jwt.MapClaims{"org": "customer-pro", "aud": demo.Audience}),
		"no customer":       sign(jwt.SigningMethodHS256, key, jwt.MapClaims{"aud": demo.Audience, "exp": later.Unix()}),
		"a number":          sign(jwt.SigningMethodHS256, key, jwt.MapClaims{"org": 7, "aud": demo.Audience, "exp": later.Unix()}),
	} {
		if got := send(t, "GET", analytics, tried, ""); got != 401 {
			t.Errorf("%s: got %d, want 401", name, got)
		}
	}
	if n := stigg.Requests()["entitlementsState"]; n != 0 {
		t.Errorf("Stigg was asked %d times", n)
	}
	if got := send(t, "GET", analytics, good, ""); got != 200 || stigg.Requests()["entitlementsState"] != 1 {
		t.Errorf("the right token gets %d, and Stigg was asked %v", got, stigg.Requests())
	}
	stop()
}

// RefusesAShortSecret holds that nothing starts with one.
func (p Program) RefusesAShortSecret(t *testing.T) {
	inFrontOf(t, StartStigg(t))
	t.Setenv("JWT_SECRET", "short")
	if err := p.Run(t.Context(), "127.0.0.1:0", io.Discard); err == nil {
		t.Error("it starts")
	}
}
