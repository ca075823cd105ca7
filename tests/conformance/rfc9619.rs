//! RFC 9619: one question.

use crate::message::*;

/// 4: "A DNS message with OPCODE = 0 and QDCOUNT > 1 MUST be treated as an incorrectly formatted message."
#[test]
fn section_4_two_questions_are_a_format_error() {
    let mut node = node();
    for count in [2, 3, 200] {
        let mut query = ask("www", A);
        query.questions = query.questions.repeat(count.into());
        query.counts[0] = count;
        let reply = node.see(&query);
        assert_eq!((reply.rcode, reply.counts), (FORMERR, [0; 4]), "{count}");
        let reply = node.see(&query.edns());
        assert_eq!((reply.rcode, reply.opt.is_some()), (FORMERR, true), "EDNS is spoken all the same");
    }
}

/// 4: the count must be the number of questions in the message.
#[test]
fn section_4_a_count_that_is_too_large_is_a_format_error() {
    for count in [2, 65_535] {
        let mut query = ask("www", A);
        query.counts[0] = count;
        assert_eq!(node().see(&query).rcode, FORMERR);
    }
}

/// A query without a question is only for cookies (RFC 7873, section 5.4).
#[test]
fn no_question_and_no_cookie_is_a_format_error() {
    let mut query = ask_for(Vec::new());
    query.counts[0] = 0;
    for query in [query.clone(), query.clone().edns(), query.option(NSID, &[])] {
        let reply = node().see(&query);
        assert_eq!((reply.rcode, reply.counts[0]), (FORMERR, 0));
    }
}
