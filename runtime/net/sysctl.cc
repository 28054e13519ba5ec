#include "runtime/net/sysctl.h"

#include <fcntl.h>

#include <cerrno>

#include "runtime/base/fs.h"

namespace convox::net {
namespace {

const std::string kNet = "/proc/sys/net/";

Result<> set(const std::string& name, std::string_view value) {
  return fs::write_once(AT_FDCWD, cat(kNet, name), value);
}

Result<bool> is_on(const std::string& name) { return TRY(fs::read_once(AT_FDCWD, cat(kNet, name))).starts_with('1'); }

// A host that forwards takes no router advertisements, unless accept_ra says 2: "even if forwarding". Only links that
// are there: were 2 the default too, every link that anybody makes later (a bridge of Docker's) would believe its
// members (CVE-2020-13401).
Result<> keep_learning() {
  const UniqueFd links = TRY(fs::open(cat(kNet, "ipv6/conf"), O_RDONLY | O_DIRECTORY));
  for (const std::string& link : TRY(fs::list(links.get()))) {
    if (link == "all" || link == "default") continue;
    const std::string accept = cat(link, "/accept_ra");
    const Result<std::string> accepts = fs::read_once(links.get(), accept);
    if (!accepts && accepts.error().code == ENOENT) continue;  // it went just now
    if (!accepts) return Error(accepts.error());
    if (!accepts->starts_with('1')) continue;
    const Result<> raised = fs::write_once(links.get(), accept, "2");
    if (!raised && raised.error().code != ENOENT) return Error(raised.error());
  }
  return ok();
}

}  // namespace

// Written only where it is off: a write of ip_forward sets other switches back, whatever it was before.
Result<> forward_packets(bool ipv6) {
  if (!TRY(is_on("ipv4/ip_forward"))) TRY(set("ipv4/ip_forward", "1"));
  if (!ipv6 || TRY(is_on("ipv6/conf/all/forwarding"))) return ok();
  TRY(keep_learning());
  return set("ipv6/conf/all/forwarding", "1");
}

Result<> guard_bridge(const std::string& name, bool ipv6) {
  const std::string four = cat("ipv4/conf/", name, "/"), six = cat("ipv6/conf/", name, "/");
  // A port published on 127.0.0.1 is a packet from 127.0.0.1 that leaves by the bridge. What comes in with such an
  // address, by any link but lo, is dropped by the firewall before it is routed.
  TRY(set(cat(four, "route_localnet"), "1"));
  TRY(set(cat(four, "send_redirects"), "0"));
  TRY(set(cat(four, "accept_redirects"), "0"));
  if (!ipv6) return ok();
  TRY(set(cat(six, "accept_ra"), "0"));  // CVE-2020-13401
  return set(cat(six, "accept_redirects"), "0");
}

// IPv4 accepts redirects if the link or `all` does. The others are taken from `default` when a link is made.
Result<> guard_container(bool ipv6) {
  TRY(set("ipv4/conf/all/accept_redirects", "0"));
  TRY(set("ipv4/conf/default/accept_redirects", "0"));
  if (!ipv6) return ok();
  TRY(set("ipv6/conf/default/accept_ra", "0"));
  return set("ipv6/conf/default/accept_redirects", "0");
}

}  // namespace convox::net
