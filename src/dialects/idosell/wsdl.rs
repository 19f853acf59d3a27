//! What a method's WSDL says: one operation, rpc style, encoded.

use super::method::{DETAILS, Field, Gives, Kind, Method, PAGING};
use super::soap::{ENCODING, GATE, SCHEMA, escape, type_name};
use super::source::SourceType;

const WSDL: &str = "http://schemas.xmlsoap.org/wsdl/";
const BINDING: &str = "http://schemas.xmlsoap.org/wsdl/soap/";
const TRANSPORT: &str = "http://schemas.xmlsoap.org/soap/http";

/// The WSDL of a method that answers at `address`.
pub fn document(method: Method, address: &str) -> String {
    let name = method.name();
    let types = types(method);
    let body =
        format!("<soap:body use=\"encoded\" encodingStyle=\"{ENCODING}\" namespace=\"{GATE}\"/>");
    let address = escape(address);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
<definitions name=\"{GATE}\" targetNamespace=\"{GATE}\" xmlns=\"{WSDL}\" xmlns:ns1=\"{GATE}\" \
xmlns:soap=\"{BINDING}\" xmlns:soapenc=\"{ENCODING}\" xmlns:wsdl=\"{WSDL}\" xmlns:xsd=\"{SCHEMA}\">
  <types>
    <xsd:schema targetNamespace=\"{GATE}\" elementFormDefault=\"unqualified\">
      <xsd:import namespace=\"{ENCODING}\"/>
{types}    </xsd:schema>
  </types>
  <message name=\"{name}Request\">
    <part name=\"{name}Request\" type=\"ns1:requestType\"/>
  </message>
  <message name=\"{name}Response\">
    <part name=\"{name}Response\" type=\"ns1:responseType\"/>
  </message>
  <portType name=\"{GATE}PortType\">
    <operation name=\"{name}\">
      <input message=\"ns1:{name}Request\"/>
      <output message=\"ns1:{name}Response\"/>
    </operation>
  </portType>
  <binding name=\"{GATE}Binding\" type=\"ns1:{GATE}PortType\">
    <soap:binding style=\"rpc\" transport=\"{TRANSPORT}\"/>
    <operation name=\"{name}\">
      <soap:operation soapAction=\"#{name}\" style=\"rpc\"/>
      <input>{body}</input>
      <output>{body}</output>
    </operation>
  </binding>
  <service name=\"{GATE}Service\">
    <port name=\"{GATE}Port\" binding=\"ns1:{GATE}Binding\">
      <soap:address location=\"{address}\"/>
    </port>
  </service>
</definitions>
"
    )
}

fn element(name: &str, kind: &str, optional: bool) -> String {
    let least = if optional { " minOccurs=\"0\"" } else { "" };
    format!("          <xsd:element name=\"{name}\" type=\"{kind}\"{least}/>\n")
}

fn complex(name: &str, elements: &str) -> String {
    format!(
        "      <xsd:complexType name=\"{name}\">\n        <xsd:all>\n{elements}        </xsd:all>\n      \
         </xsd:complexType>\n"
    )
}

fn of_fields(fields: &[Field], optional: bool) -> String {
    fields.iter().map(|(name, kind)| element(name, type_name(*kind), optional)).collect()
}

fn types(method: Method) -> String {
    let faults: &[Field] = &[("faultCode", Kind::Int), ("faultString", Kind::Text)];
    let login: &[Field] = &[("authenticateKey", Kind::Text), ("userLogin", Kind::Text)];
    let (given, list) = match method.gives() {
        Gives::Result(fields) => (fields, false),
        Gives::Results(fields) => (fields, true),
    };
    let mut out = source_type(method);
    out.push_str(&complex("authenticateType", &of_fields(login, false)));
    if method.takes().iter().any(|(_, kind)| *kind == Kind::Details) {
        out.push_str(&complex("refundDetailsType", &of_fields(DETAILS, true)));
    }
    out.push_str(&complex("paramsType", &of_fields(method.takes(), true)));
    let request = element("authenticate", "ns1:authenticateType", false)
        + &element("params", "ns1:paramsType", false);
    out.push_str(&complex("requestType", &request));
    out.push_str(&complex("errorsType", &of_fields(faults, true)));
    out.push_str(&complex("resultType", &(of_fields(given, true) + &of_fields(faults, true))));
    let mut response = element("errors", "ns1:errorsType", true);
    if list {
        out.push_str(
            "      <xsd:complexType name=\"ArrayOfResultType\">\n        <xsd:complexContent>\n          \
             <xsd:restriction base=\"soapenc:Array\">\n            \
             <xsd:attribute ref=\"soapenc:arrayType\" wsdl:arrayType=\"ns1:resultType[]\"/>\n          \
             </xsd:restriction>\n        </xsd:complexContent>\n      </xsd:complexType>\n",
        );
        response.push_str(&element("results", "ns1:ArrayOfResultType", true));
        if method == Method::RetrieveRefundsList {
            response.push_str(&of_fields(PAGING, true));
        }
    } else {
        response.push_str(&element("result", "ns1:resultType", true));
    }
    out.push_str(&complex("responseType", &response));
    out
}

/// The types of a source that the method takes or gives.
fn source_type(method: Method) -> String {
    let every = SourceType::ALL.iter().map(|kind| kind.name());
    let all = (method == Method::RetrieveRefundsList).then_some("all");
    let taken = every.filter(|name| method != Method::AddAutomaticRefund || *name != "order");
    let values: String = taken
        .chain(all)
        .map(|name| format!("          <xsd:enumeration value=\"{name}\"/>\n"))
        .collect();
    format!(
        "      <xsd:simpleType name=\"sourceTypeType\">\n        \
         <xsd:restriction base=\"xsd:string\">\n{values}        </xsd:restriction>\n      \
         </xsd:simpleType>\n"
    )
}
