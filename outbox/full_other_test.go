//go:build !unix

package outbox

import "errors"

func fillDisk(string) error { return errors.New("not on this system") }

func fillSmallDisk(string) error { return errors.New("not on this system") }
