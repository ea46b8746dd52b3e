package main

import (
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stiggate/gate/emulator"
)

// emulated starts a Stigg, and gives the environment that leads to it.
func emulated(t *testing.T, options ...emulator.Option) (*emulator.Server, []string) {
	t.Helper()
	srv, err := emulator.Start("127.0.0.1:0", options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	return srv, []string{"STIGG_URL=" + srv.URL(), "STIGG_API_KEY=" + emulator.DefaultKey}
}

func TestCheckDecidesAsAGateWould(t *testing.T) {
	_, env := emulated(t)
	ask := func(args string) []string { return append([]string{"check"}, strings.Fields(args)...) }
	for _, tt := range []struct {
		name, args string
		code       int
		want       string
	}{
		{"what is left", "-customer customer-basic -feature feature-02-campaigns -n 3", exitOK, "yes\n  customer  customer-basic\n  what      feature-02-campaigns (Campaigns)\n  requested 3\n  used      0\n  limit     4\n  resets at "},
		{"more than is left", "-customer customer-basic -feature feature-02-campaigns -n 5", exitNo, "no: RequestedUsageExceedingLimit (402 usage_never_fits)"},
		{"nothing asked of a metered one", "-customer customer-basic -feature feature-02-campaigns", exitOK, "requested 1\n"},
		{"a resource", "-customer customer-demo-01 -resource site-1 -feature feature-04-analytics", exitOK, "customer  customer-demo-01 / site-1\n"},
		{"what the plan lacks", "-customer customer-basic -feature feature-04-analytics", exitNo, "no: NoFeatureEntitlementInSubscription (402 feature_not_in_plan)"},
		{"an amount of a boolean", "-customer customer-demo-01 -feature feature-04-analytics -n 1", exitNo, "403 feature_type_mismatch"},
		{"a customer that there isn't", "-customer customer-x -feature feature-04-analytics", exitNo, "403 customer_not_found"},
		{"values of an enum", "-customer customer-pro -feature feature-08-cities -values NY,LA", exitOK, "yes\n"},
		{"a value that isn't allowed", "-customer customer-pro -feature feature-08-cities -values NY,Paris", exitNo, "403 value_not_allowed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := stigg(t, env, ask(tt.args)...); got.code != tt.code || !strings.Contains(got.out, tt.want) || got.err != "" {
				t.Errorf("%+v, want %d and %q", got, tt.code, tt.want)
			}
		})
	}
}

func TestCheckInJSON(t *testing.T) {
	_, env := emulated(t)
	got := stigg(t, env, "check", "-json", "-customer", "customer-basic", "-feature", "feature-02-campaigns", "-n", "5")
	var d shownDecision
	if err := json.Unmarshal([]byte(got.out), &d); err != nil || got.code != exitNo {
		t.Fatalf("%v in %+v", err, got)
	}
	if d.Allowed || d.Code != "usage_never_fits" || d.Status != 402 || *d.Requested != 5 || *d.Used != 0 || *d.Limit != 4 || d.ResetsAt == nil || d.Name != "Campaigns" {
		t.Errorf("%s", got.out)
	}
}

func TestCheckAsksAWallet(t *testing.T) {
	_, env := emulated(t, emulator.WithCreditsDemo())
	for n, code := range map[string]int{"1": exitOK, "1e9": exitNo} {
		if got := stigg(t, env, "check", "-customer", "customer-tokens", "-currency", "currency-tokens", "-n", n); got.code != code || !strings.Contains(got.out, "currency-tokens") {
			t.Errorf("%s credits: %+v", n, got)
		}
	}
}

func TestCheckCalledWrongly(t *testing.T) {
	_, env := emulated(t)
	for _, tt := range []struct {
		name, args, want string
		env              []string
	}{
		{"no customer", "-feature f", "-customer", env},
		{"no feature", "-customer c", "-feature or a -currency", env},
		{"both", "-customer c -feature f -currency c", "-feature or a -currency", env},
		{"an id that can't be", "-customer c -feature a/b", "feature id", env},
		{"a customer that can't be", "-customer a/b -feature f", "customer id", env},
		{"a number that is none", "-customer c -feature f -n many", "many", env},
		{"not a number", "-customer c -feature f -n NaN", "not a number", env},
		{"an amount below 0", "-customer c -feature f -n -1", "negative", env},
		{"values of a wallet", "-customer c -currency c -values a", "-values", env},
		{"an argument", "-customer c -feature f more", `"more"`, env},
		{"no key", "-customer c -feature f", "STIGG_API_KEY is not set", env[:1]},
		{"a key that can't be", "-customer c -feature f", "key", []string{env[0], "STIGG_API_KEY=a\x01secret"}},
		{"a URL that is none", "-customer c -feature f", "endpoint", []string{"STIGG_URL=nowhere", env[1]}},
		{"the key in the clear", "-customer c -feature f", "or name its host in STIGG_PLAINTEXT_TO", []string{"STIGG_URL=http://example.com", env[1]}},
		{"the key in the clear to Stigg", "-customer c -feature f", "STIGG_PLAINTEXT_TO names a host of Stigg's", []string{env[0], env[1], "STIGG_PLAINTEXT_TO=api.stigg.io"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := stigg(t, tt.env, append([]string{"check"}, strings.Fields(tt.args)...)...)
			if got.code != exitUsage || got.out != "" || !strings.Contains(got.err, tt.want) || strings.Count(got.err, "\n") != 1 || strings.Contains(got.err, "secret") {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestCheckOfAStiggThatCantBeAsked(t *testing.T) {
	srv, env := emulated(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "STIGG_URL=http://" + l.Addr().String()
	_ = l.Close()
	for name, env := range map[string][]string{
		"nobody listens":     {closed, env[1]},
		"the key is refused": {env[0], "STIGG_API_KEY=server-4711-secret"},
	} {
		got := stigg(t, env, "check", "-customer", "customer-basic", "-feature", "feature-02-campaigns")
		if got.code != exitUnreachable || got.out != "" || strings.Count(got.err, "\n") != 1 || strings.Contains(got.err, "4711") {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if err := srv.Fault(emulator.Fault{Latency: time.Minute}); err != nil {
		t.Fatal(err)
	}
	if got := stigg(t, env, "check", "-customer", "customer-basic", "-feature", "feature-02-campaigns", "-timeout", "200ms"); got.code != exitUnreachable || got.out != "" {
		t.Errorf("it hangs: %+v", got)
	}
}
