package emulator_test

import (
	"fmt"
	"time"

	"github.com/stiggate/gate/emulator"
)

func Example() {
	clock := time.Date(2024, 1, 15, 10, 0, 0, 0, time.UTC)
	stigg, err := emulator.New(emulator.WithClock(func() time.Time { return clock }))
	if err != nil {
		fmt.Println(err)
		return
	}
	three := 3.0
	granted, reason := stigg.Decide("customer-demo-01", "", "feature-01-templates", &three, nil)
	fmt.Printf("3 more of 5, 3 used: %v %s\n", granted, reason)

	err = stigg.Report(emulator.Measurement{CustomerID: "customer-demo-01", FeatureID: "feature-01-templates", Value: -1})
	if err != nil {
		fmt.Println(err)
		return
	}
	granted, _ = stigg.Decide("customer-demo-01", "", "feature-01-templates", &three, nil)
	fmt.Printf("one given back: %v, %d measurement received\n", granted, len(stigg.Usage()))
	// Output:
	// 3 more of 5, 3 used: false RequestedUsageExceedingLimit
	// one given back: true, 1 measurement received
}

func ExampleStart() {
	srv, err := emulator.Start("127.0.0.1:0", emulator.WithKey("my-key"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	// Point a Stigg client at srv.URL()+"/graphql" with the key, then look at
	// srv.Usage() and srv.Requests().
	srv.Advance(30 * 24 * time.Hour)
	fmt.Println(srv.Requests())
	// Output: map[]
}
