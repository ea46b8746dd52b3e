package client

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"unicode"

	"github.com/stiggate/gate"
)

// stiggsCodes are the codes that Stigg's clients know.
func stiggsCodes(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("testdata/error-codes.txt")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(text))
}

// spellings are those in which a code was seen, or may come.
func spellings(code string) []string {
	var snake strings.Builder
	for i, r := range code {
		if i > 0 && unicode.IsUpper(r) {
			snake.WriteByte('_')
		}
		snake.WriteRune(unicode.ToUpper(r))
	}
	short := strings.TrimSuffix(code, "Error")
	return []string{code, short, short + "Error", strings.ToLower(code[:1]) + code[1:], snake.String(), strings.TrimSuffix(snake.String(), "_ERROR")}
}

func TestEachOfStiggsCodesIsMatchedWhateverItsSpelling(t *testing.T) {
	codes := stiggsCodes(t)
	if len(codes) < 100 {
		t.Fatalf("%d codes", len(codes))
	}
	said := ""
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) { says(200, refusalJSON(said))(w, r) })
	for i, code := range codes {
		other := Code(codes[(i+1)%len(codes)])
		for _, said = range spellings(code) {
			_, err := c.GetCustomer(t.Context(), "acme")
			e := errorOf(t, err)
			if !errors.Is(err, Code(code)) || e.TraceID != "t-1" || e.Validation {
				t.Errorf("%s as %s is %v", code, said, err)
			}
			if errors.Is(err, other) && family(Code(code)) != other {
				t.Errorf("%s is %s as well", code, other)
			}
		}
	}
	for code, family := range map[string]Code{ // graphql-overview, "Common Error Codes"
		"UNAUTHENTICATED": ErrUnauthenticated, "CUSTOMER_NOT_FOUND": ErrCustomerNotFound, "SUBSCRIPTION_NOT_FOUND": ErrSubscriptionNotFound,
		"FEATURE_NOT_FOUND": ErrFeatureNotFound, "VALIDATION_ERROR": ErrInvalidInput, "ENTITLEMENT_LIMIT_EXCEEDED": ErrLimitExceeded,
	} {
		if !errors.Is(&Error{Code: Code(code)}, family) {
			t.Errorf("%s is not %s", code, family)
		}
	}
}

func TestAValidationErrorIsToldApart(t *testing.T) {
	for says_, want := range map[string]bool{`,"isValidationError":true`: true, `,"isValidationError":false`: false, `,"isValidationError":"true"`: false, "": false} {
		c, _ := serve(t, says(200, `{"data":null,"errors":[{"message":"no","extensions":{"code":"CouponNotFound"`+says_+`}}]}`))
		_, err := c.GetCustomer(t.Context(), "acme")
		if e := errorOf(t, err); e.Validation != want || !errors.Is(err, ErrCouponNotFound) {
			t.Errorf("%q: %+v", says_, e)
		}
	}
}

func TestWhatIsNotThereIsRefusedForGoodWhateverItsSpelling(t *testing.T) {
	for _, missing := range []string{"CustomerNotFound", "FeatureNotFound", "SubscriptionNotFound", "CouponNotFound", "PromotionCodeNotFound",
		"CreditGrantNotFound", "PromotionalEntitlementNotFoundError"} {
		for _, code := range spellings(missing) {
			c, _ := serve(t, says(200, refusalJSON(code)))
			_, err := c.EstimateSubscription(t.Context(), EstimateInput{CustomerID: "acme", SubscriptionParams: SubscriptionParams{PlanID: "plan"}})
			if e := errorOf(t, err); !e.Permanent() || !errors.Is(err, Code(missing)) {
				t.Errorf("%s as %s: %v, permanent: %t", missing, code, err, e.Permanent())
			}
		}
	}
}

func TestALimitThatIsExceededRefusesAMeasurementAndNoneAfterIt(t *testing.T) {
	for _, code := range spellings("EntitlementLimitExceededError") {
		c, _ := serve(t, says(200, `{"data":null,"errors":[{"message":"m","extensions":{"code":"`+code+`","isValidationError":false}}]}`))
		_, err := c.Report(t.Context(), []gate.Usage{usage("k1")})
		var e *gate.UpstreamError
		if !errors.As(err, &e) || e.Kind != gate.UpstreamRefused || !errors.Is(err, ErrLimitExceeded) {
			t.Errorf("%s: %v", code, err)
		}
	}
}
