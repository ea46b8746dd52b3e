package emulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// digest is everything that a world holds.
func digest(t testing.TB, e *Emulator) string {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	raw, err := json.MarshalIndent(e.world.save(), "", " ")
	must(t, err)
	return string(raw)
}

func TestTheStateOutlivesTheEmulator(t *testing.T) {
	for name, catalog := range map[string]Option{"Revvenu": sameAsEver, "credits": WithCreditsDemo()} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state.json")
			first := newTest(t, catalog, WithState(path))
			for _, c := range append(officialVariables(), officialCreditVariables()...) {
				ask(t, first, official(t, c.operation), c.variables())
			}
			for _, in := range []vars{use("k1", 7), use("k2", 500)} {
				doc, err := os.ReadFile("testdata/credits/ConsumeCredits.graphql")
				must(t, err)
				ask(t, first, string(doc), vars{"input": in})
			}
			_ = first.Publish("plan-revvenu-essentials", "NEW_CUSTOMERS")
			ask(t, first, official(t, "ProvisionSubscription"), vars{"input": essentialsOrder("customer-pro", 6, 2, "priceUnitAmount", 1.5,
				"payingCustomerId", "customer-demo-01", "appliedCoupon", vars{"discount": vars{"percentOff": 5}}, "budget", vars{"limit": 3, "hasSoftLimit": true},
				"minimumSpend", vars{"minimum": vars{"amount": 5}}, "checkoutOptions", vars{"successUrl": "http://a.test", "cancelUrl": "http://a.test"})})
			ask(t, first, official(t, "ProvisionSubscription"), vars{"input": essentialsOrder("customer-basic", 6, 2, "priceUnitAmount", 1.5, "payingCustomerId", "customer-demo-01",
				"appliedCoupon", vars{"discount": vars{"percentOff": 5}}, "budget", vars{"limit": 3, "hasSoftLimit": true}, "subscriptionId", "s-own")})
			ask(t, first, official(t, "UpdateSubscription"), vars{"input": vars{"subscriptionId": "s-own", "unitQuantity": 9, "scheduleStrategy": "END_OF_BILLING_PERIOD"}})
			first.Advance(time.Hour)
			told := answers(t, first) // which makes the credits that plans give
			before := digest(t, first)
			first.Close()
			must(t, first.StateError())
			second := newTest(t, catalog, WithState(path))
			defer second.Close()
			if after := digest(t, second); after != before {
				t.Errorf("it differs:\n%s", firstDifference(before, after))
			}
			if after := answers(t, second); after != told {
				t.Errorf("what is kept is less than what is told:\n%s", firstDifference(told, after))
			}
			if got, want := second.Now(), testNow.Add(time.Hour); !got.Equal(want) {
				t.Errorf("the clock says %v, want %v", got, want)
			}
			for _, e := range []*Emulator{first, second} {
				for _, c := range officialVariables()[:22] {
					ask(t, e, official(t, c.operation), c.variables())
				}
			}
			if a, b := digest(t, first), digest(t, second); a != b {
				t.Errorf("the same requests do something else after a restart:\n%s", firstDifference(a, b))
			}
		})
	}
}

// answers is all that is told of every customer: what a state leaves out is not in its digest.
func answers(t testing.TB, e *Emulator) string {
	t.Helper()
	var out strings.Builder
	tell := func(operation string, in vars) {
		a := ask(t, e, official(t, operation), officialCall{operation, in}.variables())
		raw, err := json.MarshalIndent(a.Data, "", " ")
		must(t, err)
		out.WriteString(operation + " " + format(in) + "\n" + string(raw) + "\n")
	}
	for _, operation := range []string{"GetProducts", "GetCoupons", "GetPaywall", "GetSubscriptions", "GetSdkConfiguration"} {
		tell(operation, nil)
	}
	for _, id := range sortedKeys(e.world.customers) {
		of := vars{"customerId": id}
		for _, operation := range []string{"GetCustomerById", "GetCustomerStatistics", "GetActiveSubscriptions", "GetEntitlements", "GetEntitlementsState", "GetCreditGrants", "GetCreditLedger", "GetCreditBalance", "GetPaywall"} {
			tell(operation, of)
		}
		for _, resource := range sortedKeys(e.world.customers[id].resources) {
			tell("GetEntitlementsState", vars{"customerId": id, "resourceId": resource})
		}
		tell("GetCustomerPortalByRefId", of)
		for _, f := range e.world.catalog.Features {
			tell("GetUsageHistoryV2", vars{"customerId": id, "featureId": f.ID, "startDate": isoTime(testNow.AddDate(0, -2, 0))})
		}
		for _, s := range e.world.customers[id].subscriptions {
			tell("GetSubscription", vars{"subscriptionId": s.id})
			tell("PreviewNextInvoice", vars{"subscriptionId": s.id})
		}
	}
	return out.String()
}

func sameAsEver(*Emulator) error { return nil }

func firstDifference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			from := max(0, i-6)
			return strings.Join(x[from:min(i+3, len(x))], "\n") + "\n---\n" + strings.Join(y[from:min(i+3, len(y))], "\n")
		}
	}
	return "one is longer"
}

func TestTheStateIsWrittenSoonAfterAChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	e := newTest(t, WithState(path))
	defer e.Close()
	must(t, e.AddCustomer("c-new"))
	deadline := time.Now().Add(patience)
	for {
		raw, _ := os.ReadFile(path)
		if bytes.Contains(raw, []byte("c-new")) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("it was never written")
		}
		time.Sleep(time.Millisecond)
	}
	if all, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(all) > 0 {
		t.Errorf("left behind: %v", all)
	}
}

func TestAStateThatCantBeReadIsToldAndLeftAsItIs(t *testing.T) {
	good := func() string {
		path := filepath.Join(t.TempDir(), "s.json")
		e := newTest(t, WithState(path))
		e.Close()
		raw, err := os.ReadFile(path)
		must(t, err)
		return string(raw)
	}()
	for _, c := range []struct{ name, content, want string }{
		{"no JSON", "{", "line 1"},
		{"a newer version", `{"version": 99}`, "version 99"},
		{"of another product", strings.Replace(good, "product-revvenu", "product-other", 1), "product-other"},
		{"with a feature that the catalog lacks", strings.Replace(good, `"featureId":"feature-03-custom-domain"`, `"featureId":"feature-gone"`, 1), "feature-gone"},
		{"cut off", good[:len(good)/2], "unexpected end"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state.json")
			must(t, os.WriteFile(path, []byte(c.content), 0o600))
			_, err := New(WithState(path))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if raw, _ := os.ReadFile(path); string(raw) != c.content {
				t.Error("the file was changed")
			}
		})
	}
	path := filepath.Join(t.TempDir(), "none", "state.json")
	e := newTest(t, WithState(path))
	e.Close()
	if err := e.StateError(); err == nil || !strings.Contains(err.Error(), "state") {
		t.Errorf("a folder that isn't there: %v", err)
	}
}

func TestAStateBelongsToOneEmulatorAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	first := newTest(t, WithState(path))
	must(t, first.AddCustomer("c-first"))
	if _, err := New(WithState(path)); !errors.Is(err, ErrStateInUse) || !strings.Contains(err.Error(), path) {
		t.Fatalf("a second one: %v", err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer taken.Close()
	first.Close()
	for _, addr := range []string{taken.Addr().String(), taken.Addr().String(), "127.0.0.1:0"} {
		if second, err := Start(addr, WithState(path)); err == nil {
			if !slices.Contains(second.Customers(), "c-first") {
				t.Error("the second one doesn't know what the first one kept")
			}
			must(t, second.AddCustomer("c-second"))
			must(t, second.Close())
		} else if addr != taken.Addr().String() || errors.Is(err, ErrStateInUse) {
			t.Errorf("after the first has closed, at %s: %v", addr, err)
		}
	}
	must(t, first.AddCustomer("c-late"))
	first.Close()
	third := newTest(t, WithState(path))
	defer third.Close()
	if all := third.Customers(); !slices.Contains(all, "c-second") || slices.Contains(all, "c-late") {
		t.Errorf("what was closed has written over what came later: %v", all)
	}
}

func TestWhatAKilledProcessLeftUnfinishedIsRemoved(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "state.json")
	for _, name := range []string{".state.json-123456", ".state.json-notes", ".other.json-1", "state.json-1"} {
		must(t, os.WriteFile(filepath.Join(folder, name), []byte("{"), 0o600))
	}
	e := newTest(t, WithState(path))
	defer e.Close()
	files, err := os.ReadDir(folder)
	must(t, err)
	var left []string
	for _, f := range files {
		left = append(left, f.Name())
	}
	if want := []string{".other.json-1", ".state.json-notes", "state.json-1", "state.json.lock"}; !slices.Equal(left, want) {
		t.Errorf("there are %v, want %v", left, want)
	}
}

func TestTheStateIsWrittenInTheOrderOfItsChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	e := newTest(t, WithState(path))
	must(t, e.AddCustomer("c-1"))
	e.stateFile.Lock() // the disk is slow
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() { e.saveState(false) })
	}
	must(t, e.AddCustomer("c-2"))
	e.stateFile.Unlock()
	writers.Wait()
	if raw, err := os.ReadFile(path); err != nil || !bytes.Contains(raw, []byte("c-2")) {
		t.Errorf("what was written last lacks the last change: %v", err)
	}
	e.Close()
	must(t, os.Remove(path))
	e.saveState(false) // a timer that has fired before
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it was written after the end: %v", err)
	}
}

// TestNoTimeKeepsTheStateFromBeingWritten: JSON has no year of five digits.
func TestNoTimeKeepsTheStateFromBeingWritten(t *testing.T) {
	late := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	later := late.AddDate(20000, 0, 0)
	for name, catalog := range map[string]Option{"Revvenu": sameAsEver, "credits": WithCreditsDemo()} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state.json")
			e := newTest(t, catalog, WithState(path))
			must(t, e.AddCustomer("c"))
			plan, feature := e.catalog.Plans[0].ID, e.catalog.Features[0].ID
			for what, err := range map[string]error{
				"a trial from the end of the calendar": func() error { _, err := e.Subscribe("c", plan, Subscription{Start: late, TrialEnd: later}); return err }(),
				"a start after it":                     func() error { _, err := e.Subscribe("c", plan, Subscription{Start: later}); return err }(),
				"an end after it":                      func() error { _, err := e.Subscribe("c", plan, Subscription{End: later}); return err }(),
				"a promotion until after it":           e.Grant("c", Grant{FeatureID: feature}, later),
				"usage after it":                       e.Report(Measurement{CustomerID: "c", FeatureID: feature, Value: 1, CreatedAt: later}),
			} {
				if codeIn(err) != CodeBadUserInput {
					t.Errorf("%s: %v", what, err)
				}
			}
			for _, order := range []string{`{"customerId": "c", "featureId": "` + feature + `", "days": 10000000}`, `{"customerId": "c", "featureId": "` + feature + `", "days": -1}`} {
				r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1/_emulator/grants", strings.NewReader(order))
				w := httptest.NewRecorder()
				if e.ServeHTTP(w, r); w.Code != http.StatusBadRequest {
					t.Errorf("%s: %d %s", order, w.Code, w.Body)
				}
			}
			must(t, e.Grant("c", Grant{FeatureID: feature}, late)) // which is how some say for ever
			if _, err := e.Subscribe("c", plan, Subscription{End: late}); err != nil {
				t.Error(err)
			}
			if name == "credits" {
				doc, err := os.ReadFile("testdata/credits/ConsumeCredits.graphql")
				must(t, err)
				ask(t, e, string(doc), vars{"input": use("k", 1, func(in map[string]any) { in["createdAt"] = isoTime(late) })})
				must(t, e.Report(Measurement{CustomerID: spender, FeatureID: feature, Value: 1, CreatedAt: late}))
			}
			e.Close()
			must(t, e.StateError())
			again := newTest(t, catalog, WithState(path))
			again.Close()
		})
	}
}
