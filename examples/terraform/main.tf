# Overrides and TXT records of truenorth with Terraform. docs/terraform.md says what suits Terraform and what does not.
#
#   export TF_VAR_truenorth_token=$(cat terraform.token)
#   terraform init && terraform plan

terraform {
  required_providers {
    # A provider for any REST API. truenorth needs none of its own.
    restapi = {
      source = "Mastercard/restapi"
    }
  }
}

variable "truenorth_token" {
  type      = string
  sensitive = true
}

# One node. Without a fleet each node has its own overrides and TXT records: give each a provider with an alias.
provider "restapi" {
  uri          = "https://ns1.example.com:8053"
  root_ca_file = "ca.pem" # the authority that signed `certificate` of [admin]; leave it out for a public one

  # A token of [admin.tokens.terraform] with may = ["read", "order", "txt"].
  headers = {
    Authorization = "Bearer ${var.truenorth_token}"
  }

  # An object's id is what it is for, so it is known before the object exists: PUT creates it as well.
  create_method = "PUT"
}

# Takes the datacenter fra out of the answers while others are left. Remove the block, and its clients come back.
resource "restapi_object" "drain_fra" {
  path         = "/v1/overrides"
  create_path  = "/v1/overrides/{id}"
  id_attribute = "target"

  data = jsonencode({
    target = "dc:fra"
    mode   = "drain"
    reason = "new power supply"
  })

  # Another target is another override.
  force_new = ["target"]

  # What the node adds to its answer.
  ignore_changes_to = ["override", "from", "until", "who", "in_force"]
}

# Proves to somebody that the name is yours. The node removes it after `for`, a week at most. A record that shall stay
# belongs into the zone file.
resource "restapi_object" "proof" {
  path         = "/v1/txt"
  create_path  = "/v1/txt/{id}"
  id_attribute = "name"

  data = jsonencode({
    name   = "_proof.gslb.example.com." # as the node writes names: in lower case, with a final dot
    values = sort(["site-verification=4f1c", "another-site=a90b"])
    "for"  = "168h"
  })

  force_new         = ["name"]
  ignore_changes_to = ["for", "until"]
}
