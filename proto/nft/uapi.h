#pragma once
/// The one place where the kernel's netfilter headers come in: <netinet/in.h> has to stand before <linux/netfilter.h>,
/// or it does not compile.
// clang-format off
#include <netinet/in.h>
#include <linux/netlink.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nf_tables.h>
// clang-format on

#ifndef NFT_TABLE_F_OWNER
#define NFT_TABLE_F_OWNER 2
#endif
