package emulator

import (
	"strings"
	"testing"
	"time"
)

// customerDocuments are documents of the fields that clients change customers by.
const customerDocuments = `
mutation Update($input: UpdateCustomerInput!) { updateCustomer: updateOneCustomer(input: $input) { ...Slim } }
mutation Import($input: ImportCustomerInput!) { importCustomer: importOneCustomer(input: $input) { ...Slim } }
mutation ImportBulk($input: ImportCustomerBulkInput!) { importCustomersBulk(input: $input) }
fragment Slim on Customer { customerId refId name email billingId additionalMetaData createdAt updatedAt }`

func changeCustomer(t *testing.T, e *Emulator, operation string, in map[string]any) answer {
	t.Helper()
	body := format(map[string]any{"query": customerDocuments, "operationName": operation, "variables": map[string]any{"input": in}})
	return decoded(t, post(t, e, body))
}

func TestACustomerIsUpdated(t *testing.T) {
	now := testNow
	e := newTest(t, WithClock(func() time.Time { return now }))
	now = now.Add(time.Hour)
	a := changeCustomer(t, e, "Update", map[string]any{"customerId": "customer-demo-01", "name": "Acme Inc.", "billingId": "cus_1"})
	got := format(dig(t, a.Data, "updateCustomer"))
	want := `{"additionalMetaData":{"key":"value"},"billingId":"cus_1","createdAt":"2023-10-21T00:00:00.000Z","customerId":"customer-demo-01",` +
		`"email":"acme@example.com","name":"Acme Inc.","refId":"customer-demo-01","updatedAt":"2024-01-15T11:00:00.000Z"}`
	if got != want {
		t.Errorf("%s\nwant %s, %+v", got, want, a.Errors)
	}
	read := ask(t, e, official(t, "GetCustomerById"), map[string]any{"input": map[string]any{"customerId": "customer-demo-01"}})
	if got := dig(t, read.Data, "getCustomerByRefId", "name"); got != "Acme Inc." {
		t.Errorf("read back: %v", got)
	}
}

func TestAnUpdateOfACustomerThatIsNotThereIsRefused(t *testing.T) {
	for id, want := range map[string]Code{"nobody": CodeCustomerNotFound, "customer-archived": CodeEntityIsArchived, "": CodeBadUserInput} {
		e := newTest(t)
		if a := changeCustomer(t, e, "Update", map[string]any{"customerId": id, "name": "x"}); a.code() != want || a.Data != nil {
			t.Errorf("%q: %+v", id, a)
		}
	}
}

func TestCustomersAreImported(t *testing.T) {
	e := newTest(t)
	a := changeCustomer(t, e, "Import", map[string]any{"customerId": "acme", "name": "Acme", "email": "a@example.com", "billingId": "cus_1"})
	if got := dig(t, a.Data, "importCustomer", "billingId"); got != "cus_1" {
		t.Fatalf("%v, %+v", got, a.Errors)
	}
	a = changeCustomer(t, e, "Import", map[string]any{"refId": "acme", "name": "Acme Inc."})
	if got := format(dig(t, a.Data, "importCustomer")); !strings.Contains(got, `"name":"Acme Inc."`) || !strings.Contains(got, `"email":"a@example.com"`) {
		t.Errorf("imported again: %s, %+v", got, a.Errors)
	}
	if a = changeCustomer(t, e, "Import", map[string]any{"billingId": "cus_2"}); dig(t, a.Data, "importCustomer", "customerId") == "" {
		t.Errorf("without an id: %+v", a)
	}
	a = changeCustomer(t, e, "ImportBulk", map[string]any{"customers": []map[string]any{
		{"customerId": "one", "updatedAt": isoTime(testNow)}, {"customerId": "two", "additionalMetaData": map[string]any{"tier": "gold"}}}})
	if len(a.Errors) > 0 || stateOf(t, e, "one", "") != reasonNoActiveSubscription || stateOf(t, e, "two", "") != reasonNoActiveSubscription {
		t.Errorf("in bulk: %+v", a)
	}
}

func TestABulkOfCustomersIsImportedAsAWholeOrNotAtAll(t *testing.T) {
	for bad, want := range map[string]Code{"not an id": CodeBadUserInput, "customer-archived": CodeEntityIsArchived} {
		e := newTest(t)
		a := changeCustomer(t, e, "ImportBulk", map[string]any{"customers": []map[string]any{{"customerId": "one"}, {"customerId": bad}}})
		if a.code() != want || stateOf(t, e, "one", "") != reasonCustomerNotFound {
			t.Errorf("%s: %+v", bad, a)
		}
	}
}

func TestASubscriptionIsCreated(t *testing.T) {
	e := newTest(t)
	const document = `mutation Create($input: SubscriptionInput!) {
		createSubscription(subscription: $input) { subscriptionId status endDate plan { refId } customer { customerId } } }`
	create := func(in map[string]any) answer { return ask(t, e, document, map[string]any{"input": in}) }
	end := testNow.AddDate(0, 2, 0)
	a := create(map[string]any{"customerId": "customer-none", "planId": "plan-revvenu-basic", "refId": "sub-1", "endDate": isoTime(end)})
	want := `{"createSubscription":{"customer":{"customerId":"customer-none"},"endDate":"2024-03-15T10:00:00.000Z",` +
		`"plan":{"refId":"plan-revvenu-basic"},"status":"ACTIVE","subscriptionId":"sub-1"}}`
	if got := format(a.Data); got != want {
		t.Errorf("%s, %+v", got, a.Errors)
	}
	if granted, reason := e.Decide("customer-none", "", "feature-01-templates", nil, nil); !granted {
		t.Errorf("what it entitles to is denied: %s", reason)
	}
	if a := create(map[string]any{"customerId": "nobody", "planId": "plan-revvenu-basic"}); a.code() != CodeCustomerNotFound {
		t.Errorf("of nobody: %+v", a)
	}
}

// activeOf gives the active subscriptions that a document of the official clients reads.
func activeOf(t *testing.T, e *Emulator, in map[string]any) (ids []string, code Code) {
	t.Helper()
	a := ask(t, e, official(t, "GetActiveSubscriptionsList"), map[string]any{"input": in})
	if a.code() != "" {
		return nil, a.code()
	}
	list, _ := dig(t, a.Data, "getActiveSubscriptions").([]any)
	for i := range list {
		id, _ := dig(t, list, i, "subscriptionId").(string)
		ids = append(ids, id)
	}
	return ids, ""
}

func TestActiveSubscriptionsAreThoseOfTheCustomersLevelOrOfTheResourcesThatAreNamed(t *testing.T) {
	const own, sited = "subscription-plan-revvenu-essentials-bum2flivze", "subscription-plan-revvenu-essentials-cd0ba9"
	for _, c := range []struct {
		name string
		in   map[string]any
		want string
		code Code
	}{
		{"no resource", map[string]any{}, own, ""},
		{"a null resource", map[string]any{"resourceId": nil}, own, ""},
		{"a resource", map[string]any{"resourceId": "site-1"}, sited, ""},
		{"resources", map[string]any{"resourceIds": []string{"site-1", "site-2"}}, sited, ""},
		{"an unknown resource", map[string]any{"resourceId": "site-2"}, "", CodeResourceNotFound},
		{"unknown resources", map[string]any{"resourceIds": []string{"site-2"}}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.in["customerId"] = "customer-demo-01"
			if ids, code := activeOf(t, newTest(t), c.in); strings.Join(ids, " ") != c.want || code != c.code {
				t.Errorf("%v %s", ids, code)
			}
		})
	}
}
