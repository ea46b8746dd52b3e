package client

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Yamashou/gqlgenc/clientv2"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client/gql"
)

// everyCall calls each method that makes one generated call, with arguments that are well
// formed, and says who is told to have changed.
var everyCall = []struct {
	method  string
	call    func(context.Context, *Client) error
	changes []string
}{
	{"Entitlements", func(ctx context.Context, c *Client) error { _, err := c.Entitlements(ctx, acme); return err }, nil},
	{"EntitlementsState", func(ctx context.Context, c *Client) error { _, err := c.EntitlementsState(ctx, acme); return err }, nil},
	{"Entitlement", func(ctx context.Context, c *Client) error {
		_, err := c.Entitlement(ctx, EntitlementQuery{Customer: acme, FeatureID: "f"})
		return err
	}, nil},
	{"CreditEntitlement", func(ctx context.Context, c *Client) error {
		_, err := c.CreditEntitlement(ctx, acme, "cur", 1)
		return err
	}, nil},
	{"ReportUsage", func(ctx context.Context, c *Client) error {
		_, err := c.ReportUsage(ctx, Measurement{Customer: acme, FeatureID: "f", Key: "k"})
		return err
	}, nil},
	{"ReportUsageBulk", func(ctx context.Context, c *Client) error {
		_, err := c.ReportUsageBulk(ctx, []Measurement{{Customer: acme, FeatureID: "f", Key: "k"}})
		return err
	}, nil},
	{"ReportEvent", func(ctx context.Context, c *Client) error {
		return c.ReportEvent(ctx, []Event{{Customer: acme, Name: "e", Key: "k"}})
	}, nil},
	{"ConsumeCredits", func(ctx context.Context, c *Client) error {
		_, err := c.ConsumeCredits(ctx, CreditUse{Customer: acme, CurrencyID: "cur", Amount: 1, Key: "k"})
		return err
	}, nil},
	{"ConsumeCreditsAsync", func(ctx context.Context, c *Client) error {
		return c.ConsumeCreditsAsync(ctx, []CreditUse{{Customer: acme, CurrencyID: "cur", Amount: 1, Key: "k"}})
	}, nil},
	{"UsageHistory", func(ctx context.Context, c *Client) error {
		_, err := c.UsageHistory(ctx, UsageHistoryQuery{Customer: acme, FeatureID: "f", Start: day(1)})
		return err
	}, nil},
	{"ReportEntitlementCheck", func(ctx context.Context, c *Client) error {
		return c.ReportEntitlementCheck(ctx, EntitlementQuery{Customer: acme, FeatureID: "f"}, gate.Entitlement{Granted: true})
	}, nil},

	{"GetCustomer", func(ctx context.Context, c *Client) error { _, err := c.GetCustomer(ctx, "acme"); return err }, nil},
	{"Customers", func(ctx context.Context, c *Client) error {
		_, err := c.Customers(ctx, CustomerQuery{Filter: CustomerFilter{
			CustomerID: &TextFilter{"a", "b", "c", "d", []string{"e"}, []string{"f"}}, Name: &TextFilter{Eq: "a"}, Email: &TextFilter{Eq: "a"}, BillingID: &TextFilter{Eq: "a"},
			CreatedAt: &TimeFilter{day(1), day(2), day(3), day(4), day(5)}, UpdatedAt: &TimeFilter{Lt: day(1)}, Search: &SearchFilter{"%a%"},
			Subscription: &CustomerPlanFilter{SubscriptionID: &TextFilter{Eq: "s"}, Status: &TextFilter{In: []string{"ACTIVE"}}, PricingType: &TextFilter{Eq: "PAID"}, StartDate: &TimeFilter{Gt: day(1)}},
			And:          []CustomerFilter{{Name: &TextFilter{Eq: "b"}}}, Or: []CustomerFilter{{Name: &TextFilter{Eq: "c"}}},
		}, Sort: []Sort{{Field: "name"}}})
		return err
	}, nil},
	{"ProvisionCustomer", func(ctx context.Context, c *Client) error {
		p := params()
		in := fullCustomer()
		in.Subscription = &p
		_, err := c.ProvisionCustomer(ctx, in)
		return err
	}, []string{"stale acme|"}},
	{"UpdateCustomer", func(ctx context.Context, c *Client) error {
		_, err := c.UpdateCustomer(ctx, fullCustomer())
		return err
	}, []string{"stale acme|"}},
	{"ArchiveCustomer", func(ctx context.Context, c *Client) error { return c.ArchiveCustomer(ctx, "acme") }, []string{"stale acme|"}},
	{"UnarchiveCustomer", func(ctx context.Context, c *Client) error { _, err := c.UnarchiveCustomer(ctx, "acme"); return err }, []string{"stale acme|"}},
	{"DetachPaymentMethod", func(ctx context.Context, c *Client) error { _, err := c.DetachPaymentMethod(ctx, "acme"); return err }, []string{"stale acme|"}},
	{"ImportCustomer", func(ctx context.Context, c *Client) error { _, err := c.ImportCustomer(ctx, fullImport()); return err }, []string{"stale acme|"}},
	{"ImportCustomers", func(ctx context.Context, c *Client) error {
		_, err := c.ImportCustomers(ctx, []ImportedCustomer{fullImport(), {ID: "other"}})
		return err
	}, []string{"stale acme|", "stale other|"}},

	{"ActiveSubscriptions", func(ctx context.Context, c *Client) error { _, err := c.ActiveSubscriptions(ctx, acme); return err }, nil},
	{"GetSubscription", func(ctx context.Context, c *Client) error { _, err := c.GetSubscription(ctx, "s"); return err }, nil},
	{"Subscriptions", func(ctx context.Context, c *Client) error {
		_, err := c.Subscriptions(ctx, SubscriptionQuery{Filter: SubscriptionFilter{
			SubscriptionID: &TextFilter{Eq: "a"}, CustomerID: &TextFilter{Eq: "a"}, ResourceID: &TextFilter{Eq: "a"}, ProductID: &TextFilter{Eq: "a"}, BillingID: &TextFilter{Eq: "a"},
			Status: &TextFilter{In: []string{"ACTIVE"}}, PricingType: &TextFilter{Eq: "PAID"}, CreatedAt: &TimeFilter{Gt: day(1)}, StartDate: &TimeFilter{Gt: day(1)}, EndDate: &TimeFilter{Gt: day(1)},
			And: []SubscriptionFilter{{}}, Or: []SubscriptionFilter{{}},
		}, Sort: []Sort{{"createdAt", true}}})
		return err
	}, nil},
	{"ProvisionSubscription", func(ctx context.Context, c *Client) error {
		_, err := c.ProvisionSubscription(ctx, ProvisionSubscriptionInput{CustomerID: "acme", PayingCustomerID: "payer", CancellationDate: day(1), SubscriptionParams: fullParams()})
		return err
	}, []string{"stale acme|site-1"}},
	{"CreateSubscription", func(ctx context.Context, c *Client) error {
		p := fullParams()
		p.Trial.EndDate = time.Time{}
		_, err := c.CreateSubscription(ctx, CreateSubscriptionInput{CustomerID: "acme", PayingCustomerID: "payer", EndDate: day(1), CancellationDate: day(1), ScheduleStrategy: ScheduleImmediate, SubscriptionParams: p})
		return err
	}, []string{"stale acme|site-1"}},
	{"ApplySubscription", func(ctx context.Context, c *Client) error {
		p := fullParams()
		p.SubscriptionID = ""
		_, err := c.ApplySubscription(ctx, ApplySubscriptionInput{CustomerID: "acme", PaymentMethodID: "pm", CancellationDate: day(1), SubscriptionParams: p})
		return err
	}, []string{"stale acme|site-1"}},
	{"UpdateSubscription", func(ctx context.Context, c *Client) error {
		_, err := c.UpdateSubscription(ctx, UpdateSubscriptionInput{TrialEndDate: day(1), CancellationDate: day(2), ScheduleStrategy: ScheduleImmediate, SubscriptionParams: SubscriptionParams{
			SubscriptionID: "s", BillingPeriod: BilledMonthly, Addons: []AddonQuantity{{"a", 1}}, BillableFeatures: []FeatureQuantity{{"f", 1}}, Charges: []Charge{{"c", "CREDIT", 1}},
			Coupon: fullCoupon(), PromotionCode: "P", Billing: fullBilling(), Budget: &Budget{1, true}, MinimumSpend: &MinimumSpend{Money{1, "USD"}}, SalesforceID: "sf",
			BillingCycleAnchor: "NOW", AwaitPaymentConfirmation: new(bool), Metadata: map[string]any{"m": 1}}})
		return err
	}, nil},
	{"CancelSubscription", func(ctx context.Context, c *Client) error {
		_, err := c.CancelSubscription(ctx, CancelSubscriptionInput{"s", CancelAtDate, CancelRevokesEntitlements, day(1), new(bool)})
		return err
	}, nil},
	{"CancelSubscriptionUpdates", func(ctx context.Context, c *Client) error { return c.CancelSubscriptionUpdates(ctx, "s") }, nil},
	{"MigrateSubscription", func(ctx context.Context, c *Client) error {
		_, err := c.MigrateSubscription(ctx, "s", true)
		return err
	}, nil},
	{"TransferSubscription", func(ctx context.Context, c *Client) error {
		_, err := c.TransferSubscription(ctx, gate.Customer{ID: "acme", Resource: "a"}, "b")
		return err
	}, []string{"stale acme|a", "stale acme|b"}},
	{"TransferSubscriptionToResource", func(ctx context.Context, c *Client) error {
		_, err := c.TransferSubscriptionToResource(ctx, "s", "b")
		return err
	}, nil},
	{"DelegateSubscription", func(ctx context.Context, c *Client) error {
		_, err := c.DelegateSubscription(ctx, "s", "payer")
		return err
	}, nil},
	{"ImportSubscriptions", func(ctx context.Context, c *Client) error {
		_, err := c.ImportSubscriptions(ctx, []ImportedSubscription{{CustomerID: "acme", PlanID: "p", ResourceID: "r", SubscriptionID: "s", BillingID: "b", BillingPeriod: BilledMonthly,
			Addons: []AddonQuantity{{"a", 1}}, BillableFeatures: []FeatureQuantity{{"f", 1}}, Charges: []Charge{{"c", "CREDIT", 1}}, StartDate: day(1), EndDate: day(2), UpdatedAt: day(3),
			SalesforceID: "sf", Metadata: map[string]any{"m": 1}}})
		return err
	}, []string{"stale acme|r"}},

	{"EstimateSubscription", func(ctx context.Context, c *Client) error {
		_, err := c.EstimateSubscription(ctx, EstimateInput{CustomerID: "acme", PayingCustomerID: "payer", SkipTrial: new(bool), SubscriptionParams: priced()})
		return err
	}, nil},
	{"EstimateSubscriptionUpdate", func(ctx context.Context, c *Client) error {
		_, err := c.EstimateSubscriptionUpdate(ctx, SubscriptionParams{SubscriptionID: "s", Addons: []AddonQuantity{{"a", 1}}, BillableFeatures: []FeatureQuantity{{"f", 1}},
			Charges: []Charge{{"c", "CREDIT", 1}}, Coupon: fullCoupon(), PromotionCode: "P"})
		return err
	}, nil},
	{"PreviewSubscription", func(ctx context.Context, c *Client) error {
		p := priced()
		p.BillingCycleAnchor = "NOW"
		_, err := c.PreviewSubscription(ctx, PreviewInput{CustomerID: "acme", PayingCustomerID: "payer", ScheduleStrategy: ScheduleImmediate, SubscriptionParams: p})
		return err
	}, nil},
	{"PreviewNextInvoice", func(ctx context.Context, c *Client) error { _, err := c.PreviewNextInvoice(ctx, "s"); return err }, nil},

	{"Products", func(ctx context.Context, c *Client) error {
		_, err := c.Products(ctx, ProductQuery{Filter: ProductFilter{ID: &TextFilter{Eq: "a"}, Name: &TextFilter{Eq: "a"}, CreatedAt: &TimeFilter{Gt: day(1)}, And: []ProductFilter{{}}, Or: []ProductFilter{{}}}})
		return err
	}, nil},
	{"SDKConfiguration", func(ctx context.Context, c *Client) error { _, err := c.SDKConfiguration(ctx); return err }, nil},
	{"Coupons", func(ctx context.Context, c *Client) error {
		_, err := c.Coupons(ctx, CouponQuery{Filter: CouponFilter{ID: &TextFilter{Eq: "a"}, Name: &TextFilter{Eq: "a"}, BillingID: &TextFilter{Eq: "a"}, Status: &TextFilter{Eq: "ACTIVE"},
			Type: &TextFilter{Eq: "FIXED"}, CreatedAt: &TimeFilter{Gt: day(1)}, And: []CouponFilter{{}}, Or: []CouponFilter{{}}}})
		return err
	}, nil},
	{"CreateCoupon", func(ctx context.Context, c *Client) error {
		_, err := c.CreateCoupon(ctx, CouponInput{ID: "c", Name: "C", Description: "d", AmountsOff: []Money{{1, "USD"}}, DurationInMonths: 3, Metadata: map[string]any{"m": 1}})
		return err
	}, nil},
	{"Paywall", func(ctx context.Context, c *Client) error {
		_, err := c.Paywall(ctx, PaywallQuery{"product", gate.Customer{ID: "acme", Resource: "r"}, "DK", true, true})
		return err
	}, nil},
	{"MockPaywall", func(ctx context.Context, c *Client) error {
		_, err := c.MockPaywall(ctx, PaywallQuery{ProductID: "p"})
		return err
	}, nil},

	{"GrantPromotionalEntitlements", func(ctx context.Context, c *Client) error {
		_, err := c.GrantPromotionalEntitlements(ctx, "acme", []PromotionalGrant{fullGrant()})
		return err
	}, []string{"stale acme|"}},
	{"RevokePromotionalEntitlement", func(ctx context.Context, c *Client) error { return c.RevokePromotionalEntitlement(ctx, "acme", "f") }, []string{"stale acme|"}},
	{"GrantPromotionalGroup", func(ctx context.Context, c *Client) error {
		_, err := c.GrantPromotionalGroup(ctx, "acme", "g", []PromotionalGrant{fullGrant()})
		return err
	}, []string{"stale acme|"}},
	{"RevokePromotionalGroup", func(ctx context.Context, c *Client) error {
		_, err := c.RevokePromotionalGroup(ctx, "acme", "g")
		return err
	}, []string{"stale acme|"}},
	{"UnlinkPromotionalGroup", func(ctx context.Context, c *Client) error {
		_, err := c.UnlinkPromotionalGroup(ctx, "acme", "g")
		return err
	}, []string{"stale acme|"}},

	{"CreditBalance", func(ctx context.Context, c *Client) error { _, err := c.CreditBalance(ctx, acme, "cur"); return err }, nil},
	{"CreditGrants", func(ctx context.Context, c *Client) error {
		_, err := c.CreditGrants(ctx, CreditQuery{Customer: acme})
		return err
	}, nil},
	{"CreditLedger", func(ctx context.Context, c *Client) error {
		_, err := c.CreditLedger(ctx, CreditQuery{Customer: acme})
		return err
	}, nil},
	{"CreditUsage", func(ctx context.Context, c *Client) error {
		_, err := c.CreditUsage(ctx, CreditUsageQuery{Customer: acme})
		return err
	}, nil},
	{"GrantCredits", func(ctx context.Context, c *Client) error {
		_, err := c.GrantCredits(ctx, GrantCreditsInput{Customer: gate.Customer{ID: "acme", Resource: "r"}, CurrencyID: "cur", Amount: 1, Name: "n", Comment: "c", Paid: true, Cost: &Money{1, "USD"},
			Priority: new(float64), EffectiveAt: day(1), ExpireAt: day(2), Metadata: map[string]any{"m": 1}, PaymentCollectionMethod: CollectByCharge, AwaitPaymentConfirmation: new(bool),
			Billing: &CreditBilling{&BillingAddress{"1", "2", "3", "4", "5", "DK"}, new(float64), new(bool)}})
		return err
	}, []string{"stale acme|r"}},
	{"VoidCreditGrant", func(ctx context.Context, c *Client) error { _, err := c.VoidCreditGrant(ctx, "g"); return err }, nil},
	{"AutoRecharge", func(ctx context.Context, c *Client) error { _, err := c.AutoRecharge(ctx, "acme", "cur"); return err }, nil},
	{"SaveAutoRecharge", func(ctx context.Context, c *Client) error {
		_, err := c.SaveAutoRecharge(ctx, AutoRecharge{CustomerID: "acme", CurrencyID: "cur", Enabled: true, ThresholdType: "CreditAmount", Threshold: 1, TargetBalance: 2, MaxSpend: new(float64),
			Expiration: "OneYear", SpentThisMonth: 3, CreatedAt: day(1), UpdatedAt: day(1)})
		return err
	}, []string{"stale acme|"}},
	{"EstimateUsageCost", func(ctx context.Context, c *Client) error {
		_, err := c.EstimateUsageCost(ctx, Measurement{Customer: acme, FeatureID: "f", Value: 1})
		return err
	}, nil},
	{"EstimateEventCost", func(ctx context.Context, c *Client) error {
		_, err := c.EstimateEventCost(ctx, Event{Customer: acme, Name: "e"})
		return err
	}, nil},

	{"CustomerPortal", func(ctx context.Context, c *Client) error { _, err := c.CustomerPortal(ctx, acme, "p"); return err }, nil},
	{"CheckoutState", func(ctx context.Context, c *Client) error {
		_, err := c.CheckoutState(ctx, CheckoutQuery{acme, "plan", "product", "DK"})
		return err
	}, nil},
	{"CreatePaymentSession", func(ctx context.Context, c *Client) error {
		_, err := c.CreatePaymentSession(ctx, "acme", "plan", "DK")
		return err
	}, nil},
}

func fullCustomer() CustomerInput {
	return CustomerInput{ID: "acme", Name: "n", Email: "e", CouponID: "c", BillingID: "b", AWSMarketplaceCustomerID: "a", SalesforceID: "s", CRMID: "h", Metadata: map[string]any{"m": 1},
		Billing: &CustomerBilling{"n", "USD", "en", "Europe/Berlin", &Address{"1", "2", "3", "4", "5", "DE", "7"}, &Address{City: "c"}, []TaxID{{"vat", "1"}}, "pm", "i", map[string]any{"f": 1}, map[string]any{"m": 1}}}
}

func fullImport() ImportedCustomer {
	return ImportedCustomer{"acme", "n", "e", "b", "pm", "s", map[string]any{"m": 1}, day(1)}
}

func fullCoupon() *CouponChoice {
	return &CouponChoice{"c", "b", "P", &CouponDiscount{"n", "d", 5, []Money{{1, "USD"}}, 3}}
}

func fullBilling() *SubscriptionBilling {
	return &SubscriptionBilling{&BillingAddress{"1", "2", "3", "4", "5", "DK"}, []TaxID{{"vat", "1"}}, []string{"t"}, new(float64), "acct", "c", "i", new(float64), new(bool), new(bool), "NONE", map[string]any{"m": 1}}
}

// priced has every field set that an estimate takes.
func priced() SubscriptionParams {
	p := params()
	p.SubscriptionID, p.AwaitPaymentConfirmation, p.Metadata = "", nil, nil
	p.Charges, p.Coupon, p.Billing = []Charge{{"c", "CREDIT", 1}}, fullCoupon(), fullBilling()
	return p
}

// fullParams has every field set.
func fullParams() SubscriptionParams {
	p := params()
	p.Charges, p.Coupon, p.Billing = []Charge{{"c", "CREDIT", 1}}, fullCoupon(), fullBilling()
	p.BillingCycleAnchor, p.BillingID, p.SalesforceID = "NOW", "b", "sf"
	p.PaymentCollectionMethod, p.Budget, p.MinimumSpend = CollectByInvoice, &Budget{1, true}, &MinimumSpend{Money{1, "USD"}}
	return p
}

func fullGrant() PromotionalGrant {
	return PromotionalGrant{"f", UntilDate, day(1), new(float64), true, true, []string{"v"}, gate.ResetMonth, &ResetAccording{"EveryMonday"}, &ResetAccording{"StartOfTheMonth"}, &ResetAccording{"SubscriptionStart"}, new(bool)}
}

// made is what a call asked the generated client for.
type made struct {
	op, document string
	variables    map[string]any
	out          reflect.Type
}

// makes runs a call without sending it.
func makes(t *testing.T, call func(context.Context, *Client) error) made {
	t.Helper()
	c, err := New(testKey)
	if err != nil {
		t.Fatal(err)
	}
	var got made
	c.api.Client.CustomDo = func(_ context.Context, _ *http.Request, info *clientv2.GQLRequestInfo, res any) error {
		got = made{info.Request.OperationName, info.Request.Query, info.Request.Variables, reflect.TypeOf(res).Elem()}
		return &Error{Operation: got.op, Code: ErrUnavailable}
	}
	err = call(t.Context(), c)
	var e *Error
	if got.op == "" || !errors.As(err, &e) || e.Operation != got.op || !errors.Is(err, ErrUnavailable) {
		t.Fatalf("it made %q and failed with %v", got.op, err)
	}
	return got
}

func TestEachCallMakesOneOperationOfTheSchemaWithInputsThatItHas(t *testing.T) {
	s := schema(t)
	seen := map[string]bool{}
	for _, test := range everyCall {
		t.Run(test.method, func(t *testing.T) {
			got := makes(t, test.call)
			seen[got.op] = true
			doc, errs := gqlparser.LoadQuery(s, got.document)
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			op := doc.Operations.ForName(got.op)
			if op == nil {
				t.Fatalf("the document has no %s", got.op)
			}
			fields := fieldsOf(got.out)
			if fields == nil {
				return // one of gate's types: the mapping has tests of its own
			}
			checkFields(t, got.op, op.SelectionSet, got.out)
		})
	}
	for document, name := range gql.DocumentOperationNames {
		if !seen[name] && !strings.HasPrefix(document, "subscription ") {
			t.Errorf("no method makes %s", name)
		}
	}
}

// checkFields holds a selection against a type of this package: all that is asked for has a
// place, and all that has a place is asked for somewhere.
func checkFields(t *testing.T, path string, set ast.SelectionSet, typ reflect.Type) {
	t.Helper()
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
		typ = typ.Elem()
	}
	if typ.Kind() == reflect.Map { // by root field
		for _, selected := range set {
			if f, ok := selected.(*ast.Field); ok {
				checkFields(t, path+"."+f.Name, f.SelectionSet, typ.Elem())
			}
		}
		return
	}
	if typ.Kind() != reflect.Struct || typ == reflect.TypeFor[time.Time]() || reflect.PointerTo(typ).Implements(reflect.TypeFor[interface{ UnmarshalJSON([]byte) error }]()) || strings.Contains(typ.PkgPath(), "/gql") {
		return
	}
	fields := fieldsOf(typ)
	var walk func(ast.SelectionSet)
	walk = func(set ast.SelectionSet) {
		for _, selected := range set {
			switch selected := selected.(type) {
			case *ast.FragmentSpread:
				walk(selected.Definition.SelectionSet)
			case *ast.Field:
				if selected.Name == "__typename" {
					continue
				}
				field, ok := fields[selected.Name]
				if !ok {
					t.Errorf("%s.%s is asked for and has no place in %v", path, selected.Name, typ)
					continue
				}
				if problem := misfit(selected.Definition.Type, field); problem != "" {
					t.Errorf("%s.%s: %s", path, selected.Name, problem)
				}
				checkFields(t, path+"."+selected.Name, selected.SelectionSet, field)
			}
		}
	}
	walk(set)
}

// misfit says why a Go type can't hold a type of the schema.
func misfit(schema *ast.Type, typ reflect.Type) string {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if schema.Elem != nil {
		if typ.Kind() != reflect.Slice {
			return fmt.Sprintf("a list is no %v", typ)
		}
		return misfit(schema.Elem, typ.Elem())
	}
	want := map[string]reflect.Kind{"String": reflect.String, "UUID": reflect.String, "ConnectionCursor": reflect.String, "Float": reflect.Float64, "Int": reflect.Int, "Boolean": reflect.Bool, "JSON": reflect.Map}[schema.NamedType]
	if want != reflect.Invalid && typ.Kind() != want && typ.PkgPath() == "" {
		return fmt.Sprintf("a %s is no %v", schema.NamedType, typ)
	}
	if schema.NamedType == "DateTime" && typ.Kind() != reflect.Struct {
		return fmt.Sprintf("a DateTime is no %v", typ)
	}
	return ""
}

// fieldsOf are a struct's fields by JSON name, embedded ones included; nil for gql's types.
func fieldsOf(typ reflect.Type) map[string]reflect.Type {
	if strings.HasSuffix(typ.PkgPath(), "/client/gql") {
		return nil
	}
	fields := map[string]reflect.Type{}
	if typ.Kind() != reflect.Struct {
		return fields
	}
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			maps.Copy(fields, fieldsOf(f.Type))
		case name != "-" && name != "":
			fields[name] = f.Type
		}
	}
	return fields
}

func TestWhoAMutationChangesIsToldAlone(t *testing.T) {
	for _, test := range everyCall {
		for outcome, answer := range map[string]http.HandlerFunc{
			"it may be done": says(502, ""), "it was surely refused": says(200, refusalJSON("PlanNotFound")), "it was not understood": says(200, "{}"),
		} {
			t.Run(test.method+" when "+outcome, func(t *testing.T) {
				c, _ := serve(t, answer)
				sink := &heard{}
				defer c.sinks.add(sink)()
				_ = test.call(t.Context(), c)
				want := test.changes
				if outcome == "it was surely refused" {
					want = nil
				}
				got := sink.all()
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.Errorf("told %v, want %v", got, want)
				}
			})
		}
	}
}

func TestACallThatNamesASubscriptionTellsOfItsCustomer(t *testing.T) {
	sub := `{"subscriptionId":"s","customer":{"customerId":"acme"},"resource":{"resourceId":"site-1"}}`
	for method, want := range map[string]string{
		"UpdateSubscription": "stale acme|site-1", "CancelSubscription": "stale acme|site-1", "MigrateSubscription": "stale acme|site-1",
		"DelegateSubscription": "stale acme|site-1", "TransferSubscriptionToResource": "stale acme|", "VoidCreditGrant": "stale acme|r",
	} {
		i := slices.IndexFunc(everyCall, func(test struct {
			method  string
			call    func(context.Context, *Client) error
			changes []string
		}) bool {
			return test.method == method
		})
		c, _ := serve(t, says(200, `{"data":{"updateOneSubscription":`+sub+`,"cancelSubscription":`+sub+`,"migrateSubscriptionToLatest":`+sub+`,"delegateSubscriptionToCustomer":`+sub+
			`,"transferSubscriptionToResource":`+sub+`,"voidCreditGrant":{"grantId":"g","customerId":"acme","resourceId":"r"}}}`))
		sink := &heard{}
		stop := c.sinks.add(sink)
		if err := everyCall[i].call(t.Context(), c); err != nil {
			t.Errorf("%s: %v", method, err)
		}
		stop()
		sink.expect(t, want)
	}
}
