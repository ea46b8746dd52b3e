package emulator

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
)

// sampleOf gives a value of a field that is not what would be without it, by the name
// of the field; the others are made up by their types.
func sampleOf(name string) any {
	const later = "2024-03-01T00:00:00.000Z"
	return map[string]any{
		"billingPeriod": "ANNUALLY", "startDate": later, "cancellationDate": later, "endDate": later, "trialEndDate": "2024-02-01T00:00:00.000Z",
		"createdAt": "2024-01-14T00:00:00.000Z", "timestamp": "2024-01-14T00:00:00.000Z", "effectiveAt": "2024-01-14T00:00:00.000Z", "expireAt": later,
		"customEndDate": later, "billingCycleAnchor": "NOW", "scheduleStrategy": "END_OF_BILLING_PERIOD", "payingCustomerId": "customer-pro",
		"resourceId": "desk", "unitQuantity": 9.0, "planId": "plan-revvenu-essentials", "addonId": "addon-10-campaigns",
		"featureId": "feature-01-templates", "couponId": "coupon-vip", "billingCouponId": "coupon-vip", "promotionCode": "SUMMER20",
		"couponRefId": "coupon-vip", "currencyId": "currency-tokens", "currency": "EUR", "taxPercentage": 19.0, "percentOff": 20.0,
		"billingCountryCode": "DK", "paymentMethodId": "pm_card_visa", "limit": 3.0, "idempotencyKey": "k-sample", "quantity": 8.0,
		"successUrl": "http://app.test/", "cancelUrl": "http://app.test/", "trialEndBehavior": "CONVERT_TO_PAID", "resetPeriod": "WEEK",
		"subscriptionCancellationAction": "REVOKE_ENTITLEMENTS", "subscriptionCancellationTime": "IMMEDIATE", "subscriptionMigrationTime": "END_OF_BILLING_PERIOD",
		"updateBehavior": "SET", "paymentCollectionMethod": "INVOICE", "type": "FEATURE", "id": "feature-01-templates", "period": "ONE_YEAR",
		"status": "Scheduled", "grantExpirationPeriod": "OneMonth", "cadence": "YEAR", "accordingTo": "EveryMonday", "enumValues": []any{"NY"},
		"customCurrencyId": "currency-tokens", "skipTrial": true, "trialOverrideConfiguration": map[string]any{"isTrial": true},
		"minimum": map[string]any{"amount": 99.0, "currency": "USD"}, "destinationCustomerId": "customer-pro", "name": "Sample", "dimensions": map[string]any{"words": 3.0},
	}[name]
}

// walker tries every input field of a mutation.
type walker struct {
	t    *testing.T
	base officialCall
	opts []Option
	// seen are types whose fields were tried below another mutation.
	seen map[string]bool
}

func (w *walker) sample(e *Emulator, typ *ast.Type, name string) any {
	if typ.Elem != nil {
		if v, ok := sampleOf(name).([]any); ok {
			return v
		}
		return []any{w.sample(e, typ.Elem, name)}
	}
	if v := sampleOf(name); v != nil {
		return v
	}
	def := e.schema.Types[typ.NamedType]
	switch def.Kind {
	case ast.Enum:
		return def.EnumValues[len(def.EnumValues)-1].Name
	case ast.InputObject:
		return w.object(e, def, "")
	}
	switch def.Name {
	case "Int", "Float":
		return 7.0
	case "Boolean":
		return true
	case "UUID":
		return environmentID()
	case "JSON":
		return map[string]any{"sample": "value"}
	case "DateTime":
		return "2024-03-01T00:00:00.000Z"
	}
	return "sample"
}

// object makes an object of what it must have, and one field more.
func (w *walker) object(e *Emulator, def *ast.Definition, with string) map[string]any {
	out := map[string]any{}
	for _, f := range def.Fields {
		if f.Type.NonNull || f.Name == with {
			out[f.Name] = w.sample(e, f.Type, f.Name)
		}
	}
	switch {
	case def.Name == "SubscriptionCouponDiscountInput" && with != "percentOff":
		out["amountsOff"] = []any{map[string]any{"amount": 1.0, "currency": "USD"}}
	case def.Name == "SubscriptionCouponInput" && with == "configuration":
		out["couponId"] = "coupon-vip"
	case strings.HasSuffix(with, "ResetPeriodConfiguration"):
		out["resetPeriod"] = map[string]string{"m": "MONTH", "w": "WEEK", "y": "YEAR"}[with[:1]]
		accord := map[string]string{"m": "StartOfTheMonth", "w": "EveryMonday", "y": "SubscriptionStart"}[with[:1]]
		out[with] = map[string]any{"accordingTo": accord}
	}
	return out
}

// perform runs the call on a fresh emulator and gives the code of its refusal, and what
// can be seen of it: the answer and the whole state.
func (w *walker) perform(in map[string]any) (Code, string) {
	e := newTest(w.t, w.opts...)
	// So that customers have something to migrate, to take back and to detach.
	_ = e.Publish("plan-revvenu-essentials", "NEW_CUSTOMERS")
	doc := official(w.t, w.base.operation)
	before := digest(w.t, e)
	a := ask(w.t, e, doc, officialCall{w.base.operation, in}.variables())
	after := digest(w.t, e)
	if len(a.Errors) > 0 {
		if after != before {
			w.t.Errorf("it was refused with %s and changed the state:\n%s", a.code(), firstDifference(before, after))
		}
		return a.code(), ""
	}
	return "", format(a.Data) + after
}

// walk tries the fields of an input object. put sets a value of the object in a copy of
// the base's input.
func (w *walker) walk(e *Emulator, def *ast.Definition, path string, baseSeen string, put func(field string, value map[string]any) map[string]any) {
	for _, f := range def.Fields {
		at := path + "." + f.Name
		if w.seen[def.Name+"."+f.Name] && path != "" {
			continue
		}
		w.seen[def.Name+"."+f.Name] = true
		value := map[string]any{f.Name: w.sample(e, f.Type, f.Name)}
		if path != "" || strings.HasSuffix(f.Name, "ResetPeriodConfiguration") {
			value = w.object(e, def, f.Name)
		}
		if withoutEffect(def.Name, f.Name) {
			continue
		}
		in := put(f.Name, value)
		if f.Name == "unitQuantity" {
			delete(in, "billableFeatures") // which would go before it
		}
		code, seen := w.perform(in)
		if code == "" && format(in) != format(w.base.input) && !hollow(value[f.Name]) && seen == baseSeen && !sameAsBase(w.base.operation, def.Name+"."+f.Name) {
			w.t.Errorf("%s%s (%s.%s) is dropped: neither the answer nor the state knows it", w.base.operation, at, def.Name, f.Name)
		}
		inner := e.schema.Types[f.Type.Name()]
		if inner.Kind != ast.InputObject {
			continue
		}
		w.walk(e, inner, at, baseSeen, func(_ string, value map[string]any) map[string]any {
			if f.Type.Elem != nil {
				return put(f.Name, map[string]any{f.Name: []any{value}})
			}
			return put(f.Name, map[string]any{f.Name: value})
		})
	}
}

// hollow says whether a sample asks for nothing.
func hollow(v any) bool {
	if list, ok := v.([]any); ok {
		return len(list) == 0 || hollow(list[0])
	}
	o, ok := v.(map[string]any)
	return ok && len(o) == 0
}

// sameAsBase lists what shows only under circumstances that no call here has.
func sameAsBase(operation, field string) bool {
	name := field[strings.Index(field, ".")+1:]
	switch {
	case strings.HasPrefix(field, "CheckoutOptions."): // the order is free, or paid with a card
		return true
	case name == "skipTrial", name == "isOverridingTrialConfig", name == "trialEndBehavior": // the plan has no trial
		return true
	case field == "SubscriptionCouponConfigurationInput.startDate": // a coupon that begins later
		return true
	case name == "billingCycleAnchor": // nothing is replaced whose cycle could go on
		return operation == "CreateSubscription" || operation == "ApplySubscription"
	case name == "billingCountryCode", name == "payingCustomerId": // nothing has prices of its own there, and nobody a coupon
		return strings.HasPrefix(operation, "Estimate") || strings.HasPrefix(operation, "Preview")
	case field == "SubscriptionCancellationInput.prorate": // at the end of a period nothing is left of it
		return true
	}
	return false
}

func TestNoInputOfAMutationIsDroppedSilently(t *testing.T) {
	schema := newTest(t)
	tried := map[string]bool{}
	seen := map[string]bool{}
	calls := append(officialVariables(), officialCreditVariables()...)
	calls = append(calls, officialCall{"MigrateSubscriptionToLatest", vars{"subscriptionId": demoSubscription}},
		officialCall{"GrantCredits", vars{"customerId": "customer-tokens", "currencyId": "currency-tokens", "amount": 5, "displayName": "More", "grantType": "PROMOTIONAL"}},
		officialCall{"ConsumeCredits", vars{"customerId": "customer-tokens", "currencyId": "currency-tokens", "amount": 5, "idempotencyKey": "k"}},
		officialCall{"ConsumeCreditsAsync", vars{"consumptions": []any{vars{"customerId": "customer-tokens", "currencyId": "currency-tokens", "amount": 5, "idempotencyKey": "k"}}}},
		officialCall{"VoidCreditGrant", vars{"id": "aeba825b-0c89-83f4-ad35-c5705f128687"}})
	for _, c := range calls {
		doc := officialOf(t, schema, c.operation)
		op := doc.Operations[0]
		if op.Operation != ast.Mutation || tried[c.operation] {
			continue
		}
		tried[c.operation] = true
		t.Run(c.operation, func(t *testing.T) {
			w := &walker{t: t, base: c, seen: seen}
			if slices.ContainsFunc([]string{"Credit", "Recharge", "Cost"}, func(word string) bool { return strings.Contains(c.operation, word) }) {
				w.opts = []Option{WithCreditsDemo()}
			}
			base := map[string]any{}
			raw, _ := json.Marshal(c.input)
			must(t, json.Unmarshal(raw, &base))
			_, baseSeen := w.perform(base)
			field := op.SelectionSet[0].(*ast.Field)
			def := schema.schema.Types[field.Definition.Arguments[0].Type.Name()]
			w.walk(schema, def, "", baseSeen, func(_ string, value map[string]any) map[string]any {
				in := maps.Clone(base)
				maps.Copy(in, value)
				return in
			})
		})
	}
	for _, f := range schema.schema.Mutation.Fields {
		if !tried[operationOf(f.Name)] && f.Name != "provisionSubscription" && f.Name != "createUsageMeasurement" {
			t.Errorf("%s was not tried", f.Name)
		}
	}
}

// operationOf gives the official operation of a mutation.
func operationOf(field string) string {
	special := map[string]string{
		"importCustomersBulk": "ImportCustomerBulk", "importOneCustomer": "ImportCustomer", "updateOneCustomer": "UpdateCustomer",
		"provisionSubscriptionV2": "ProvisionSubscription", "updateOneSubscription": "UpdateSubscription", "cancelSchedule": "CancelSubscriptionUpdates",
		"createCreditGrant": "GrantCredits", "createOneCoupon": "CreateCoupon", "saveAutoRechargeSettings": "SaveAutomaticRechargeConfiguration",
	}
	if name := special[field]; name != "" {
		return name
	}
	return strings.ToUpper(field[:1]) + field[1:]
}

// officialOf parses an official document.
func officialOf(t testing.TB, e *Emulator, operation string) *ast.QueryDocument {
	t.Helper()
	doc, errs := e.document(official(t, operation))
	if errs != nil {
		t.Fatalf("%s: %+v", operation, errs)
	}
	return doc
}

// The inputs that were dropped once, as they were reported.
func TestInputsOfOrdersAndCustomersShowInTheAnswer(t *testing.T) {
	for _, c := range []struct{ name, document, want string }{
		{"who pays, and ids of other systems", `mutation { provisionSubscriptionV2(input: {customerId: "customer-basic", planId: "plan-revvenu-basic", payingCustomerId: "customer-pro",
			billingId: "sub_1", salesforceId: "sf"}) { subscription { payingCustomerId billingId salesforceId } } }`,
			`{"provisionSubscriptionV2":{"subscription":{"billingId":"sub_1","payingCustomerId":"customer-pro","salesforceId":"sf"}}}`},
		{"a customer's coupon and ids", `mutation { provisionCustomer(input: {customerId: "c9", couponRefId: "coupon-vip", salesforceId: "sf", crmId: "h"}) { customer { coupon { refId } salesforceId crmId } } }`,
			`{"provisionCustomer":{"customer":{"coupon":{"refId":"coupon-vip"},"crmId":"h","salesforceId":"sf"}}}`},
		{"a trial in the older form", `mutation { createSubscription(subscription: {customerId: "customer-none", planId: "plan-revvenu-essentials", billingPeriod: MONTHLY, unitQuantity: 5, isTrial: true}) { status } }`,
			`{"createSubscription":{"status":"IN_TRIAL"}}`},
		{"a coupon of an order", `mutation { provisionSubscriptionV2(input: {customerId: "customer-none", planId: "plan-revvenu-essentials", billingPeriod: MONTHLY, unitQuantity: 5,
			appliedCoupon: {couponId: "coupon-vip"}}) { subscription { totalPrice { subTotal { amount } total { amount } } } } }`,
			`{"provisionSubscriptionV2":{"subscription":{"totalPrice":{"subTotal":{"amount":30},"total":{"amount":24}}}}}`},
		{"a currency and a card", `mutation { updateOneCustomer(input: {customerId: "customer-none", awsMarketplaceCustomerId: "aws", billingInformation: {currency: USD, paymentMethodId: "pm_1"}}) {
			awsMarketplaceCustomerId billingCurrency hasPaymentMethod defaultPaymentMethodId } }`,
			`{"updateOneCustomer":{"awsMarketplaceCustomerId":"aws","billingCurrency":"USD","defaultPaymentMethodId":"pm_1","hasPaymentMethod":true}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := ask(t, newTest(t), c.document, nil)
			if got := format(a.Data); got != c.want || len(a.Errors) > 0 {
				t.Errorf("%s %+v\nwant %s", got, a.Errors, c.want)
			}
		})
	}
}
