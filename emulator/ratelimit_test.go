package emulator

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"
)

// asking sends an operation, or reads the edge for a path.
func asking(t testing.TB, srv *Server, what string) wire {
	t.Helper()
	if strings.HasPrefix(what, "/") {
		return send(t.Context(), "GET", srv.URL()+what, "")
	}
	body, err := json.Marshal(map[string]string{"query": what})
	must(t, err)
	return send(t.Context(), "POST", srv.URL()+"/graphql", string(body))
}

func frozen(t *testing.T, opts ...Option) *Server {
	t.Helper()
	return listening(t, append(opts, WithClock(func() time.Time { return testNow.Add(1500 * time.Millisecond) }))...)
}

const stateOfBasic = `{ entitlementsState(query: {customerId: "customer-basic"}) { accessDeniedReason } }`

func TestAClassIsLimitedAndSaysSo(t *testing.T) {
	srv := frozen(t, WithRateLimit(RateReads, 3, 10*time.Second))
	reset := strconv.FormatInt(testNow.Unix()+12, 10)
	for i, what := range []string{stateOfBasic, "/v1/c/customer-basic/entitlements.json", stateOfBasic} {
		got := asking(t, srv, what)
		if h := got.header; got.status != 200 || h.Get("X-RateLimit-Limit") != "3" || h.Get("X-RateLimit-Remaining") != strconv.Itoa(2-i) || h.Get("X-RateLimit-Reset") != reset {
			t.Errorf("%d: %d %v", i, got.status, h)
		}
	}
	before := srv.Requests()
	got := asking(t, srv, stateOfBasic)
	if got.status != 429 || got.header.Get("Retry-After") != "10" || got.header.Get("X-RateLimit-Remaining") != "0" || !strings.Contains(got.body, "RateLimitExceeded") {
		t.Errorf("%d %v %s", got.status, got.header, got.body)
	}
	got = asking(t, srv, "/v1/c/customer-basic/entitlements-state.json")
	if _, told := got.header["Retry-After"]; got.status != 429 || told || got.header.Get("X-RateLimit-Reset") != reset {
		t.Errorf("edge: %d %v", got.status, got.header)
	}
	if after := srv.Requests(); format(before) != format(after) {
		t.Errorf("what is refused was done: %v", after)
	}
	if got := asking(t, srv, `{ sdkConfiguration { showWatermark } }`); got.status != 200 || got.header.Get("X-RateLimit-Limit") != "" {
		t.Errorf("another class: %d %v", got.status, got.header)
	}
	if l := srv.RateLimits(); len(l) != 1 || l[0].Refused != 2 || l[0].Remaining != 0 || l[0].Class != RateReads {
		t.Errorf("%+v", l)
	}
	srv.Advance(9 * time.Second)
	if got := asking(t, srv, stateOfBasic); got.status != 429 || got.header.Get("Retry-After") != "1" {
		t.Errorf("before the reset: %d %v", got.status, got.header)
	}
	srv.Advance(time.Second)
	if got := asking(t, srv, stateOfBasic); got.status != 200 || got.header.Get("X-RateLimit-Remaining") != "2" {
		t.Errorf("after the reset: %d %v", got.status, got.header)
	}
	must(t, srv.SetRateLimit(RateReads, 0, 0))
	if got := asking(t, srv, stateOfBasic); got.status != 200 || got.header.Get("X-RateLimit-Limit") != "" {
		t.Errorf("lifted: %d %v", got.status, got.header)
	}
}

func TestEveryOperationHasItsClass(t *testing.T) {
	e := newTest(t)
	for field, want := range map[string]RateClass{
		"entitlementsState": RateReads, "entitlementV2": RateReads, "cachedEntitlements": RateReads,
		"reportUsage": RateUsage, "consumeCredits": RateUsage, "reportUsageBulk": RateUsageBulk, "reportEvent": RateEvents,
		"getCustomerByRefId": RateObjects, "getSubscription": RateObjects, "estimateSubscription": RateObjects,
		"provisionSubscriptionV2": RateChanges, "updateOneCustomer": RateChanges, "cancelSubscription": RateChanges,
		"coupons": RateGrants, "grantPromotionalEntitlements": RateGrants, "creditBalanceSummary": RateGrants, "createCreditGrant": RateGrants,
	} {
		root := e.schema.Query
		if root.Fields.ForName(field) == nil {
			root = e.schema.Mutation
		}
		if root.Fields.ForName(field) == nil {
			t.Errorf("the schema has no %s", field)
		}
		if got := classOf(root, field); got != want {
			t.Errorf("%s: %s, want %s", field, got, want)
		}
	}
}

func TestChangesOfOneCustomerAreLimitedByThemselves(t *testing.T) {
	srv := frozen(t, WithRateLimit(RateOneCustomer, 1, time.Minute), WithRateLimit(RateChanges, 3, time.Minute))
	archive := func(id string) string {
		return `mutation { archiveCustomer(input: {customerId: "` + id + `"}) { customerId } }`
	}
	for _, c := range []struct {
		id                string
		status            int
		limit, remaining  string
		changes, archived int
	}{
		{"customer-basic", 200, "1", "0", 2, 1},
		{"customer-basic", 429, "1", "0", 2, 1},
		{"customer-pro", 200, "1", "0", 1, 2},
		{"none-1", 200, "3", "0", 0, 3},
		{"none-2", 429, "3", "0", 0, 3},
	} {
		got := asking(t, srv, archive(c.id))
		if got.status != c.status || got.header.Get("X-RateLimit-Limit") != c.limit || got.header.Get("X-RateLimit-Remaining") != c.remaining {
			t.Errorf("%s: %d %v", c.id, got.status, got.header)
		}
		if n := srv.Requests()["archiveCustomer"]; n != c.archived {
			t.Errorf("%s: %d done", c.id, n)
		}
		if l := srv.RateLimits(); l[0].Class != RateChanges || l[0].Remaining != c.changes {
			t.Errorf("%s: %+v", c.id, l)
		}
	}
}

func TestAnOperationOfSeveralFieldsPassesAsAWhole(t *testing.T) {
	srv := frozen(t, WithRateLimit(RateReads, 3, time.Minute))
	two := `{ a: entitlementsState(query: {customerId: "x"}) { accessDeniedReason } b: entitlementsState(query: {customerId: "y"}) { accessDeniedReason } }`
	if got := asking(t, srv, two); got.status != 200 || got.header.Get("X-RateLimit-Remaining") != "1" {
		t.Errorf("%d %v", got.status, got.header)
	}
	if got := asking(t, srv, two); got.status != 429 {
		t.Errorf("%d", got.status)
	}
	if got := asking(t, srv, stateOfBasic); got.status != 200 {
		t.Errorf("what was refused was counted: %d", got.status)
	}
	if got := asking(t, srv, `{ __typename }`); got.status != 200 || got.header.Get("X-RateLimit-Limit") != "" {
		t.Errorf("the schema itself is limited: %d", got.status)
	}
}

func TestTheOperatorSetsLimits(t *testing.T) {
	srv := frozen(t)
	operate(t, srv, "limits", `{"class":"reads","requests":2,"per":"1s"}`, 201)
	asking(t, srv, stateOfBasic)
	var v any
	must(t, json.Unmarshal([]byte(send(t.Context(), "GET", srv.URL()+"/_emulator/limits", "").body), &v))
	if want := `[{"class":"reads","per":"1s","refused":0,"remaining":1,"requests":2,"reset":"2024-01-15T10:00:02.500Z"}]`; format(v) != want {
		t.Errorf("%s\nwant %s", format(v), want)
	}
	operate(t, srv, "limits", `{"stigg":true}`, 201)
	if got := asking(t, srv, stateOfBasic); got.header.Get("X-RateLimit-Limit") != "6000" || len(srv.RateLimits()) != 8 {
		t.Errorf("%v", got.header)
	}
	send(t.Context(), "DELETE", srv.URL()+"/_emulator/limits", "")
	if n := len(srv.RateLimits()); n != 0 {
		t.Errorf("%d are left", n)
	}
	for _, c := range []struct{ name, body, want string }{
		{"nothing", `{}`, "send"},
		{"both", `{"stigg":true,"class":"reads"}`, "send"},
		{"an unknown class", `{"class":"writes","requests":1}`, "writes"},
		{"a negative number", `{"class":"reads","requests":-1}`, "requests"},
		{"no time at all", `{"class":"reads","requests":1,"per":"0s"}`, "per"},
		{"a time that is none", `{"class":"reads","requests":1,"per":"soon"}`, "per"},
		{"an unknown field", `{"klass":"reads"}`, "klass"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := operate(t, srv, "limits", c.body, 400); !strings.Contains(got, c.want) {
				t.Error(got)
			}
		})
	}
	if got := newTest(t, WithStiggLimits()).RateLimits(); len(got) != 8 {
		t.Errorf("%+v", got)
	}
}
