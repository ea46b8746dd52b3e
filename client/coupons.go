package client

import (
	"context"
	"iter"
	"time"
)

// Coupon is a discount of the catalog.
type Coupon struct {
	ID          string `json:"refId"`
	Name        string `json:"name"`
	Description string `json:"description"`
	// Type is PERCENTAGE, by PercentOff, or FIXED, by AmountsOff in each currency.
	Type       string  `json:"type"`
	Status     string  `json:"status"` // ACTIVE, ARCHIVED
	PercentOff float64 `json:"percentOff"`
	AmountsOff []Money `json:"amountsOff"`
	// DurationInMonths is 0 for ever.
	DurationInMonths float64        `json:"durationInMonths"`
	BillingID        string         `json:"billingId"`
	Metadata         map[string]any `json:"additionalMetaData"`
	CreatedAt        time.Time      `json:"createdAt"`
	UpdatedAt        time.Time      `json:"updatedAt"`
}

// CouponFilter picks coupons; all that it asks must hold. What is nil asks nothing.
type CouponFilter struct {
	ID        *TextFilter    `json:"refId,omitzero"`
	Name      *TextFilter    `json:"name,omitzero"`
	BillingID *TextFilter    `json:"billingId,omitzero"`
	Status    *TextFilter    `json:"status,omitzero"`
	Type      *TextFilter    `json:"type,omitzero"`
	CreatedAt *TimeFilter    `json:"createdAt,omitzero"`
	And       []CouponFilter `json:"and,omitzero"`
	Or        []CouponFilter `json:"or,omitzero"`
}

// CouponQuery asks for coupons. Stigg's SDKs ask for those with the Status ACTIVE.
type CouponQuery struct {
	Paging
	Filter CouponFilter
	Sort   []Sort
}

// Coupons reads one page of the coupons.
func (c *Client) Coupons(ctx context.Context, q CouponQuery) (Page[Coupon], error) {
	return list[Coupon](ctx, "GetCoupons", "coupons", q.Paging, q.Filter, q.Sort, c.api.GetCoupons)
}

// AllCoupons iterates over the coupons of all pages from q's on. An error ends it.
func (c *Client) AllCoupons(ctx context.Context, q CouponQuery) iter.Seq2[Coupon, error] {
	return pages("GetCoupons", q.Paging, func(at Paging) (Page[Coupon], error) {
		q.Paging = at
		return c.Coupons(ctx, q)
	})
}

// CouponInput describes a coupon to create. ID, Name, and either PercentOff or AmountsOff are
// required.
type CouponInput struct {
	ID               string         `json:"refId"`
	Name             string         `json:"name"`
	Description      string         `json:"description,omitzero"`
	PercentOff       float64        `json:"percentOff,omitzero"`
	AmountsOff       []Money        `json:"amountsOff,omitzero"`
	DurationInMonths float64        `json:"durationInMonths,omitzero"`
	Metadata         map[string]any `json:"additionalMetaData,omitzero"`
}

// CreateCoupon creates a coupon.
func (c *Client) CreateCoupon(ctx context.Context, in CouponInput) (*Coupon, error) {
	const op = "CreateCoupon"
	if err := given(op, "id", in.ID, "name", in.Name); err != nil {
		return nil, err
	}
	if !(in.PercentOff >= 0 && in.PercentOff <= 100) || (in.PercentOff > 0) == (len(in.AmountsOff) > 0) {
		return nil, invalid(op, "a coupon takes off a part within 0 and 100 percent, or amounts, and one of them", nil)
	}
	input := struct {
		CouponInput
		Type string `json:"type"`
	}{in, "PERCENTAGE"}
	if len(in.AmountsOff) > 0 {
		input.Type = "FIXED"
	}
	var out struct {
		Done *Coupon `json:"createOneCoupon"`
	}
	return result(op, call(ctx, op, c.api.CreateCoupon, input, &out), &out.Done)
}
