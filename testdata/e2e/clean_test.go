//go:build lab

package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
)

// leftovers lists what a deleted machine left behind, in Kahuna, in libvirt, on disk and in the journal.
// The templates named are allowed to be there.
func (c *cloud) leftovers(templates ...string) []string {
	c.t.Helper()
	var left []string
	found := func(what string, items ...string) {
		for _, item := range items {
			left = append(left, what+" "+item)
		}
	}
	for name := range c.domains() {
		found("domain", name)
	}
	for _, pattern := range []string{"pool/volumes/*", "pool/seeds/*", "pool/tmp/*", "pool/images/*", "kaktus/machines/*", "kaktus/console/*"} {
		files, err := filepath.Glob(filepath.Join(c.dir, pattern))
		if err != nil {
			c.t.Fatal(err)
		}
		for _, file := range files {
			allowed := false
			for _, t := range templates {
				allowed = allowed || strings.HasSuffix(file, "/images/"+t)
			}
			if !allowed {
				found("file", file)
			}
		}
	}
	ctx := context.Background()
	listed := func(what string, ids []string, err error) {
		if err != nil {
			found("error", fmt.Sprintf("%s: %v", what, err))
		}
		found(what, ids...)
	}
	komputes, _, err := c.api.KomputeAPI.ListKomputes(ctx).Execute()
	listed("kompute", komputes, err)
	instances, _, err := c.api.InstanceAPI.ListInstances(ctx).Execute()
	listed("instance", instances, err)
	volumes, _, err := c.api.VolumeAPI.ListVolumes(ctx).Execute()
	listed("volume", volumes, err)
	adapters, _, err := c.api.AdapterAPI.ListAdapters(ctx).Execute()
	listed("adapter", adapters, err)
	ids, _, err := c.api.TemplateAPI.ListTemplates(ctx).Execute()
	if err != nil {
		found("error", err.Error())
	}
	for _, id := range ids {
		if !strings.Contains(strings.Join(templates, " "), id) {
			found("template", id)
		}
	}
	st, err := c.status()
	if err != nil {
		found("error", err.Error())
	}
	for state, n := range st.Operations {
		if state == "running" || state == "unwinding" {
			found("operation", fmt.Sprintf("%d %s", n, state))
		}
	}
	if out, err := run(c.t, "kahuna", "check", "--dir", c.server.dir); err != nil {
		found("check", out+err.Error())
	}
	return left
}

// clean fails the test when something is left. Background work may be about to remove it.
func (c *cloud) clean(templates ...string) {
	c.t.Helper()
	eventually(c.t, "nothing is left", func() error {
		if left := c.leftovers(templates...); len(left) > 0 {
			return fmt.Errorf("left behind: %s", strings.Join(left, "; "))
		}
		return nil
	})
}
