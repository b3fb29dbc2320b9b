/// The templates of the issue service, by the key of the submission type.
enum DemoIssueTopics {
  static let all: [DemoTopic] = [
    DemoTopic(
      language: "ko", type: "app.crash", titles: ["로그인 직후 앱 종료", "안드로이드 앱 강제 종료 재현"],
      inquiries: ["로그인 버튼을 누르면 앱이 종료됩니다. 최신 버전, 여러 단말에서 재현됩니다. 로그 확인 부탁드립니다."],
      interim: ["재현했습니다. 다음 배포에 수정이 들어갈 예정입니다."],
      final: ["세션 갱신 처리 오류였습니다. 수정 버전을 배포했습니다."],
      comments: ["크래시 리포트에서 같은 스택 확인.", "회귀 테스트 추가."], processing: "fixed"),
    DemoTopic(
      language: "ko", type: "app.push", titles: ["재입고 알림 미발송", "푸시 알림 중복 발송"],
      inquiries: ["재입고 알림을 신청한 고객에게 알림이 가지 않습니다. 발송 기록 확인 부탁드립니다."],
      interim: ["발송 대기열에 지연이 있어 원인을 보고 있습니다."],
      final: ["알림 토큰 만료 처리가 빠져 있었습니다. 수정하고 밀린 알림을 보냈습니다."],
      comments: ["대기열 지연 40분."], processing: "fixed"),
    DemoTopic(
      language: "ko", type: "billing.twice", titles: ["이중 승인 건 확인 요청", "결제 재시도 시 중복 승인"],
      inquiries: ["결제 화면에서 재시도하면 승인이 두 번 발생합니다. 주문 {order}, 금액 {amount}원. 취소 가능 여부 확인 부탁드립니다."],
      interim: ["결제 대행사에 취소를 요청해 두었습니다."],
      final: ["두 번째 승인을 취소했습니다. 재시도 버튼에 중복 방지 키를 적용했습니다."],
      comments: ["같은 시간대 7건 더 있음."], processing: "fixed"),
    DemoTopic(
      language: "ko", type: "billing.settle", titles: ["정산 금액 차이 {amount}원", "입점사 정산 누락"],
      inquiries: ["지난주 정산 합계가 주문 합계와 {amount}원 차이 납니다. 주문 {order} 부근으로 보입니다."],
      interim: ["정산 배치 기록을 확인하고 있습니다."], final: ["부분 취소 건이 두 번 계산되었습니다. 재정산을 완료했습니다."],
      comments: ["배치 재실행 완료."], processing: "known"),
    DemoTopic(
      language: "en", type: "app.crash", titles: ["App closes after sign-in on Android 15"],
      inquiries: ["The English build closes right after sign-in on Android 15. Several customers report it."],
      interim: ["Reproduced; the fix goes out with the next release."],
      final: ["A missing translation made the start page fail. Fixed and released."],
      comments: ["Only the English build is affected."], processing: "fixed"),
    DemoTopic(
      language: "en", type: "billing.twice", titles: ["Double approval for order {order}"],
      inquiries: ["A customer was charged {amount} won twice after pressing retry. Please cancel one approval."],
      interim: ["Asked the payment provider to cancel the second approval."],
      final: ["Second approval cancelled; the retry button now sends a key against duplicates."],
      comments: ["Provider confirms both approvals."], processing: "fixed"),
  ]
}

/// Made-up people who write to the demo organization.
enum DemoNames {
  static let korean = [
    ("강하린", "harin.kang"), ("고은우", "eunwoo.ko"), ("권나연", "nayeon.kwon"), ("김도현", "dohyun.kim"),
    ("남유진", "yujin.nam"), ("문서아", "seoa.moon"), ("민지호", "jiho.min"), ("박시우", "siwoo.park"),
    ("배수빈", "subin.bae"), ("백하준", "hajun.baek"), ("서다인", "dain.seo"), ("손예준", "yejun.son"),
    ("송채원", "chaewon.song"), ("신건우", "gunwoo.shin"), ("안소율", "soyul.ahn"), ("양주원", "juwon.yang"),
    ("유지안", "jian.yoo"), ("이로운", "roun.lee"), ("임세아", "sea.lim"), ("장우진", "woojin.jang"),
    ("전아린", "arin.jeon"), ("조현우", "hyunwoo.cho"), ("차은별", "eunbyul.cha"), ("홍시온", "sion.hong"),
  ]
  static let english = [
    ("Alice Turner", "alice.turner"), ("Ben Walsh", "ben.walsh"), ("Carla Diaz", "carla.diaz"),
    ("David Okafor", "david.okafor"), ("Erin Novak", "erin.novak"), ("Frank Weber", "frank.weber"),
    ("Grace Lin", "grace.lin"), ("Hugo Martin", "hugo.martin"),
  ]
}
