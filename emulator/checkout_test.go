package emulator

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func orderWithCheckout(t *testing.T, e *Emulator, customerID string) (url string) {
	t.Helper()
	in := essentialsOrder(customerID, 5, 0, "checkoutOptions", vars{"successUrl": "http://app.test/paid", "cancelUrl": "http://app.test/back", "allowPromoCodes": true})
	got := run(t, e, "ProvisionSubscription", in)
	if dig(t, got, "status") != "PAYMENT_REQUIRED" || dig(t, got, "subscription") != nil {
		t.Fatalf("answered %v", got)
	}
	return dig(t, got, "checkoutUrl").(string)
}

func visit(e *Emulator, method, url, form string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, strings.Replace(url, "example.com", "127.0.0.1", 1), strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	return w
}

func plansOf(t *testing.T, e *Emulator, customerID string) string {
	t.Helper()
	var ids []string
	for _, s := range run(t, e, "GetActiveSubscriptionsList", vars{"customerId": customerID}).([]any) {
		ids = append(ids, dig(t, s, "plan", "planId").(string))
	}
	return strings.Join(ids, " ")
}

func TestAnOrderWithACheckoutIsProvisionedWhenItsPageIsPaid(t *testing.T) {
	e := newTest(t)
	url := orderWithCheckout(t, e, "customer-basic")
	if got := plansOf(t, e, "customer-basic"); got != "plan-revvenu-basic" {
		t.Errorf("before the payment: %s", got)
	}
	if w := visit(e, "GET", url, ""); w.Code != 200 || !strings.Contains(w.Body.String(), "30.00 USD") || !strings.Contains(w.Body.String(), "Essentials") {
		t.Errorf("the page: %d %s", w.Code, w.Body)
	}
	if w := visit(e, "POST", url, "do=fail"); w.Code != 200 || !strings.Contains(w.Body.String(), "declined") || plansOf(t, e, "customer-basic") != "plan-revvenu-basic" {
		t.Errorf("a payment that fails: %d %s", w.Code, w.Body)
	}
	if w := visit(e, "POST", url, "do=pay"); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "http://app.test/paid" {
		t.Errorf("a payment: %d %v", w.Code, w.Header())
	}
	if got := plansOf(t, e, "customer-basic"); got != "plan-revvenu-essentials" {
		t.Errorf("after the payment: %s", got)
	}
	if w := visit(e, "POST", url, "do=pay"); w.Code != http.StatusConflict {
		t.Errorf("a second payment: %d", w.Code)
	}
	got := run(t, e, "GetCustomerById", vars{"customerId": "customer-basic"})
	if dig(t, got, "hasPaymentMethod") != true || dig(t, got, "defaultPaymentMethodLast4Digits") != "4242" {
		t.Errorf("the card is not kept: %v", got)
	}
	again := run(t, e, "ProvisionSubscription", essentialsOrder("customer-basic", 7, 0, "checkoutOptions", vars{"successUrl": "http://a.test/", "cancelUrl": "http://a.test/"}))
	if dig(t, again, "status") != "SUCCESS" {
		t.Errorf("with a card: %v", again)
	}
}

func TestACheckoutThatIsCanceledProvisionsNothing(t *testing.T) {
	e := newTest(t)
	url := orderWithCheckout(t, e, "customer-basic")
	if w := visit(e, "POST", url, "do=cancel"); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "http://app.test/back" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if got := plansOf(t, e, "customer-basic"); got != "plan-revvenu-basic" {
		t.Errorf("%s", got)
	}
	if w := visit(e, "GET", "http://127.0.0.1/checkout/cs_none", ""); w.Code != http.StatusNotFound {
		t.Errorf("a checkout that isn't there: %d", w.Code)
	}
	if got := e.Checkouts(); len(got) != 1 || got[0].State != "CANCELED" {
		t.Errorf("%v", got)
	}
}

func TestACheckoutWhoseOrderCantBeMadeAnyMoreTakesNoMoney(t *testing.T) {
	e := newTest(t)
	orderWithCheckout(t, e, "customer-basic")
	id := e.Checkouts()[0].ID
	must(t, e.Archive("customer-basic"))
	if err := e.CompleteCheckout(id, "pay"); codeIn(err) != CodeEntityIsArchived {
		t.Errorf("%v", err)
	}
	if got := e.Checkouts()[0].State; got != "OPEN" {
		t.Errorf("%s", got)
	}
}

func TestWhatACardDoesShowsInTheSubscription(t *testing.T) {
	for _, c := range []struct{ name, card, status, collection string }{
		{"one that pays", "pm_card_visa", "ACTIVE", "NOT_REQUIRED"},
		{"one that is declined", "pm_card_chargeDeclined", "PAYMENT_PENDING", "FAILED"},
		{"one that asks its owner", "pm_card_authenticationRequired", "PAYMENT_PENDING", "ACTION_REQUIRED"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newTest(t)
			run(t, e, "ProvisionCustomer", vars{"customerId": "c", "billingInformation": vars{"paymentMethodId": c.card}, "subscriptionParams": vars{"planId": "plan-revvenu-basic"}})
			s := dig(t, run(t, e, "ProvisionSubscription", essentialsOrder("c", 5, 0)), "subscription")
			if dig(t, s, "status") != c.status || dig(t, s, "paymentCollection") != c.collection {
				t.Fatalf("%v %v", dig(t, s, "status"), dig(t, s, "paymentCollection"))
			}
			if c.status == "ACTIVE" {
				return
			}
			if got := plansOf(t, e, "c"); got != "plan-revvenu-basic" {
				t.Errorf("access before the payment: %s", got)
			}
			url, _ := dig(t, s, "latestInvoice", "paymentUrl").(string)
			if w := visit(e, "POST", url, "do=pay"); w.Code != 200 || !strings.Contains(w.Body.String(), "It is paid") {
				t.Errorf("%s: %d %s", url, w.Code, w.Body)
			}
			if got := plansOf(t, e, "c"); got != "plan-revvenu-essentials" {
				t.Errorf("after the payment: %s", got)
			}
		})
	}
}

func TestACheckoutSendsNobodyToWhatIsNoPage(t *testing.T) {
	e := newTest(t)
	in := essentialsOrder("customer-basic", 5, 0, "checkoutOptions", vars{"successUrl": "javascript:alert(1)", "cancelUrl": "http://a.test/"})
	if got := refusal(t, e, "ProvisionSubscription", in); got != CodeBadUserInput {
		t.Error(got)
	}
}

// slowForm is a form whose sender takes its time: meanwhile, others are to be answered.
type slowForm struct {
	*strings.Reader
	t *testing.T
	e *Emulator
}

func (f slowForm) Read(p []byte) (int, error) {
	answered := make(chan struct{})
	go func() { f.e.Now(); close(answered) }()
	select {
	case <-answered:
	case <-time.After(patience):
		f.t.Error("nobody is answered while a form is read")
	}
	return f.Reader.Read(p)
}

func TestAFormThatTakesItsTimeHoldsNobodyUp(t *testing.T) {
	e := newTest(t)
	checkout := orderWithCheckout(t, e, "customer-basic")
	run(t, e, "ProvisionCustomer", vars{"customerId": "c", "billingInformation": vars{"paymentMethodId": "pm_card_chargeDeclined"}})
	s := dig(t, run(t, e, "ProvisionSubscription", essentialsOrder("c", 5, 0, "subscriptionId", "a/b?c")), "subscription")
	invoice, _ := dig(t, s, "latestInvoice", "paymentUrl").(string)
	for _, url := range []string{checkout, invoice} {
		r := httptest.NewRequest("POST", strings.Replace(url, "example.com", "127.0.0.1", 1), slowForm{strings.NewReader("do=fail"), t, e})
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "declined") {
			t.Errorf("%s: %d %s", url, w.Code, w.Body)
		}
		if w := visit(e, "DELETE", url, ""); w.Code != http.StatusMethodNotAllowed {
			t.Errorf("DELETE %s: %d", url, w.Code)
		}
	}
}
