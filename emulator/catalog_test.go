package emulator

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestACatalogThatIsWrongNamesTheField(t *testing.T) {
	const product = `"product": {"id": "p"}, `
	const seats = `"features": [{"id": "seats", "featureType": "NUMBER", "meterType": "FLUCTUATING"}, {"id": "sso", "featureType": "BOOLEAN"}], `
	for _, c := range []struct{ name, text, want string }{
		{"no JSON", "{\n\n oops", "line 3"},
		{"an empty file", "", "unexpected end"},
		{"no product", `{}`, "product.id is missing"},
		{"a field that doesn't exist", `{"prodct": {}}`, `unknown field "prodct"`},
		{"a value of another kind", `{"product": {"id": 7}}`, "product.id: a number stands where a string belongs"},
		{"a limit of another kind", `{` + product + seats + `"plans": [{"id": "a", "entitlements": [{"featureId": "seats", "usageLimit": "5"}]}]}`, "plans[0].entitlements[0].usageLimit: a string stands where a number belongs"},
		{"a setting that isn't modelled", `{"product": {"id": "p", "settings": {"subscriptionEndSetup": "DOWNGRADE_TO_FREE"}}}`, "product.settings.subscriptionEndSetup"},
		{"a downgrade plan that isn't there", `{"product": {"id": "p", "downgradePlan": "x"}}`, `product.downgradePlan: no plan "x"`},
		{"a feature without an id", `{` + product + `"features": [{"featureType": "BOOLEAN"}]}`, "features[0].id is missing"},
		{"a feature without a type", `{` + product + `"features": [{"id": "a"}]}`, "features[0].featureType is missing"},
		{"a feature twice", `{` + product + seats[:len(seats)-3] + `, {"id": "seats", "featureType": "BOOLEAN"}]}`, `features[2].id: "seats" stands twice`},
		{"a feature of an unknown type", `{` + product + `"features": [{"id": "a", "featureType": "TEXT"}]}`, `features[0].featureType: "TEXT" is none of BOOLEAN`},
		{"a metered boolean", `{` + product + `"features": [{"id": "a", "featureType": "BOOLEAN", "meterType": "Incremental"}]}`, "features[0].meterType"},
		{"an enum without values", `{` + product + `"features": [{"id": "a", "featureType": "ENUM"}]}`, "features[0].configuration"},
		{"a meter that sums nothing", `{` + product + `"features": [{"id": "a", "featureType": "NUMBER", "meterType": "Incremental", "meter": {"aggregation": {"function": "SUM"}}}]}`, "features[0].meter.aggregation.field"},
		{"an unknown feature in a plan", `{` + product + seats + `"plans": [{"id": "a", "entitlements": [{"featureId": "seats"}, {"featureId": "x"}]}]}`, `plans[0].entitlements[1].featureId: no feature "x"`},
		{"an unknown reset period", `{` + product + seats + `"plans": [{"id": "a", "entitlements": [{"featureId": "seats", "resetPeriod": "DECADE"}]}]}`, "plans[0].entitlements[0].resetPeriod"},
		{"a reset period in the wrong case", `{` + product + seats + `"plans": [{"id": "a", "entitlements": [{"featureId": "seats", "resetPeriod": "month"}]}]}`, "plans[0].entitlements[0].resetPeriod"},
		{"a currency that is none", `{` + product + `"plans": [{"id": "a", "prices": [{"currency": "dollar"}]}]}`, "plans[0].prices[0].currency"},
		{"a customer's billing period that is none", `{` + product + `"plans": [{"id": "a"}], "customers": [{"id": "c", "subscriptions": [{"planId": "a", "billingPeriod": "Monthly"}]}]}`, "customers[0].subscriptions[0]: BadUserInput: billingPeriod"},
		{"a period counted from what it can't be", `{` + product + seats + `"plans": [{"id": "a", "entitlements": [{"featureId": "seats", "resetPeriod": "YEAR", "resetPeriodConfig": {"accordingTo": "EveryMonday"}}]}]}`, "plans[0].entitlements[0].resetPeriodConfig.accordingTo"},
		{"a limit below 0", `{` + product + seats + `"plans": [{"id": "a", "entitlements": [{"featureId": "seats", "usageLimit": -1}]}]}`, "plans[0].entitlements[0].usageLimit"},
		{"an unknown base plan", `{` + product + `"plans": [{"id": "a", "basePlan": "x"}]}`, `plans[0].basePlan: no plan "x"`},
		{"a plan below itself", `{` + product + `"plans": [{"id": "a", "basePlan": "b"}, {"id": "b", "basePlan": "a"}]}`, "plans[0].basePlan"},
		{"an unknown add-on", `{` + product + `"plans": [{"id": "a", "compatibleAddons": ["x"]}]}`, "plans[0].compatibleAddons[0]"},
		{"a price by the unit of a boolean", `{` + product + seats + `"plans": [{"id": "a", "prices": [{"billingModel": "PER_UNIT", "featureId": "sso"}]}]}`, "plans[0].prices[0].featureId"},
		{"a trial without a length", `{` + product + `"plans": [{"id": "a", "defaultTrialConfig": {}}]}`, "plans[0].defaultTrialConfig.duration"},
		{"a customer with an unknown plan", `{` + product + `"customers": [{"id": "c", "subscriptions": [{"planId": "x"}]}]}`, "customers[0].subscriptions[0]: PlanNotFound"},
		{"a customer with an id that isn't one", `{` + product + `"customers": [{"id": "a/b"}]}`, "customers[0].id"},
		{"usage of a boolean", `{` + product + seats + `"customers": [{"id": "c", "usage": [{"featureId": "sso", "value": 1}]}]}`, "customers[0].usage[0]"},
		{"a field that doesn't exist, deep inside", `{` + product + `"plans": [{"id": "a", "prices": [{"amuont": 6}]}]}`, `plans[0].prices[0].amuont: unknown field "amuont"`},
		{"an object for a list", `{` + product + `"plans": {"id": "a"}}`, "plans: an object stands where a list belongs"},
		{"half a version", `{` + product + `"plans": [{"id": "a", "versionNumber": 1.5}]}`, "plans[0].versionNumber"},
		{"a day that isn't one", `{` + product + `"customers": [{"id": "c", "createdAt": "yesterday"}]}`, "customers[0].createdAt"},
		{"a price below 0", `{` + product + `"plans": [{"id": "a", "prices": [{"amount": -1}]}]}`, "plans[0].prices[0].amount"},
		{"a draft of an unknown feature", `{` + product + `"plans": [{"id": "a", "draft": {"entitlements": [{"featureId": "x"}]}}]}`, `plans[0].draft.entitlements[0].featureId: no feature "x"`},
		{"a draft of an older version", `{` + product + `"plans": [{"id": "a", "versionNumber": 3, "draft": {"versionNumber": 2}}]}`, "plans[0].draft.versionNumber"},
		{"an add-on that needs itself", `{` + product + `"addons": [{"id": "a", "dependencies": ["a"]}]}`, "addons[0].dependencies[0]"},
		{"an add-on of an unknown plan", `{` + product + `"addons": [{"id": "a", "compatibleWith": ["x"]}]}`, "addons[0].compatibleWith[0]"},
		{"a coupon of more than all", `{` + product + `"coupons": [{"id": "c", "discountValue": 120}]}`, "coupons[0].discountValue"},
		{"a coupon twice", `{` + product + `"coupons": [{"id": "c", "discountValue": 1}, {"id": "c", "discountValue": 1}]}`, "coupons[1].id"},
		{"a group of an unknown feature", `{` + product + `"featureGroups": [{"id": "g", "features": ["x"]}]}`, "featureGroups[0].features[0]"},
		{"a promotion without a period", `{` + product + seats + `"customers": [{"id": "c", "promotionalEntitlements": [{"featureId": "sso"}]}]}`, "customers[0].promotionalEntitlements[0]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := New(WithCatalog(strings.NewReader(c.text)))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q in it", err, c.want)
			}
		})
	}
}

func TestTheBuiltInCatalogCanBeReadFromAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.json")
	must(t, os.WriteFile(path, revvenu, 0o600))
	e := newTest(t, WithCatalogFile(path))
	if got, want := stateOf(t, e, "customer-pro", ""), stateOf(t, newTest(t), "customer-pro", ""); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if _, err := New(WithCatalogFile(path + ".missing")); err == nil {
		t.Error("a file that isn't there")
	}
	must(t, os.WriteFile(path, bytes.Replace(revvenu, []byte(`"basePlan": "plan-revvenu-basic"`), []byte(`"basePlan": "x"`), 1), 0o600))
	if _, err := New(WithCatalogFile(path)); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "plans[1].basePlan") {
		t.Errorf("%v", err)
	}
}

func TestOptionsThatCantBeUsed(t *testing.T) {
	for name, opt := range map[string]Option{"an empty key": WithKey(""), "no clock": WithClock(nil)} {
		if _, err := New(opt); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestWithoutDemoThereAreNoCustomers(t *testing.T) {
	e := newTest(t, WithoutDemo())
	if got := stateOf(t, e, "customer-demo-01", ""); got != reasonCustomerNotFound {
		t.Error(got)
	}
	must(t, e.AddCustomer("customer-demo-01"))
	var err *Error
	if !errors.As(e.AddCustomer("customer-demo-01"), &err) || err.Code != CodeDuplicatedEntity {
		t.Errorf("added twice: %v", err)
	}
}

// slowReader is whoever reads an answer slowly: meanwhile, others are to be answered.
type slowReader struct {
	*httptest.ResponseRecorder
	form slowForm
}

func (r slowReader) Write(p []byte) (int, error) {
	_, _ = r.form.Read(nil)
	return r.ResponseRecorder.Write(p)
}

func TestWhoReadsTheCatalogSlowlyHoldsNobodyUp(t *testing.T) {
	e := newTest(t)
	w := slowReader{httptest.NewRecorder(), slowForm{strings.NewReader(""), t, e}}
	e.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://127.0.0.1/_emulator/catalog", nil))
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "product-revvenu") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
